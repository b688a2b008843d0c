/**
 * Certificates: whom they are got from, how long they are kept, and who is believed no more. Starts
 * at {@link io.ztunnel.identity.CertificateManager}.
 */
@NullMarked
package io.ztunnel.identity;

import org.jspecify.annotations.NullMarked;
