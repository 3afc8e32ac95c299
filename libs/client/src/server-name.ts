import { checkServerIdentity, type PeerCertificate } from 'node:tls'

/** A wildcard that is not the whole first label, among the names as Node writes them. */
const PARTIAL_WILDCARD = /(?:^|, )DNS:(?!\*\.[^*,]*(?:,|$))[^,]*\*[^,]*/g

/**
 * Whether a certificate names a server (RFC 9525, 6): by its alternative names alone, with a wildcard for the whole first
 * label and nothing less. Node’s own check also takes the common name, and a wildcard inside of a label. Returns the error
 * as `tls.checkServerIdentity` does.
 */
export function checkServerName(host: string, certificate: PeerCertificate): Error | undefined {
  const { subjectaltname = '', subject } = certificate
  const names = subjectaltname.replace(PARTIAL_WILDCARD, '')
  return checkServerIdentity(host, { ...certificate, subject: { ...subject, CN: '' }, subjectaltname: names })
}
