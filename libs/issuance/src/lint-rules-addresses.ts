import type { LintRule } from './lint-rule.js'

/** Where a CRL and a CA certificate are looked for. Never HTTPS: its certificate would need the same look-up. */
const FILES = /^(?:http:\/\/[^\s/?#]+|ldap:\/\/\S*)/i
const HTTP = /^http:\/\/[^\s/?#]+/i
/** A distinguished name and, after `?`, the attribute: `ldap://host/CN=CA?certificateRevocationList;binary`. */
const LDAP_WITH_ATTRIBUTE = /^ldap:\/\/[^/?#\s]*\/[^?\s]+\?[a-z][a-z0-9-]*(?:;binary)?(?:\?|$)/i

/** A host of one label; an IPv6 address is in brackets. */
const LOCAL = /^(?:http|ldap):\/\/[a-z0-9_-]+(?::\d+)?(?:[/?#]|$)/i

const isLdap = (url: string): boolean => /^ldap:/i.test(url)

/** The addresses that a certificate names. */
export const addressRules: readonly LintRule[] = [
  {
    id: 'crl-address',
    citation: 'RFC 5280, 4.2.1.13, 4.2.1.15 and 8',
    severity: 'error',
    check: ({ crlUrls = [], deltaCrlUrls = [] }) => {
      const wrong = [...crlUrls, ...deltaCrlUrls].find(url => !FILES.test(url))
      return wrong === undefined ? undefined : `The address of the CRL, ${wrong}, is neither http nor ldap.`
    }
  },
  {
    id: 'crl-address-none',
    citation: 'RFC 5280, 4.2.1.13',
    severity: 'error',
    check: ({ crlUrls }) =>
      crlUrls?.length === 0 ? 'There is a CRL distribution point without any address.' : undefined
  },
  {
    id: 'delta-without-base',
    citation: 'RFC 5280, 4.2.1.15',
    severity: 'error',
    check: ({ crlUrls = [], deltaCrlUrls = [] }) =>
      deltaCrlUrls.length > 0 && crlUrls.length === 0
        ? 'There is an address of the delta CRL and none of its base.'
        : undefined
  },
  {
    id: 'ca-address',
    citation: 'RFC 5280, 4.2.2.1',
    severity: 'error',
    check: ({ access }) => {
      const wrong = access?.caIssuers.find(url => !FILES.test(url))
      return wrong === undefined
        ? undefined
        : `The address of the CA's certificate, ${wrong}, is neither http nor ldap.`
    }
  },
  {
    id: 'ocsp-address',
    citation: 'RFC 6960, 3.1 and A.1',
    severity: 'error',
    check: ({ access }) => {
      const wrong = access?.ocsp.find(url => !HTTP.test(url))
      return wrong === undefined ? undefined : `The address of the OCSP responder, ${wrong}, is not http.`
    }
  },
  {
    id: 'ldap-address',
    citation: 'RFC 5280, 4.2.1.13 and 4.2.2.1; RFC 4516, 2',
    severity: 'error',
    check: ({ crlUrls = [], access }) => {
      const wrong = [...crlUrls, ...(access?.caIssuers ?? [])].find(
        url => isLdap(url) && !LDAP_WITH_ATTRIBUTE.test(url)
      )
      return wrong === undefined ? undefined : `The LDAP address ${wrong} lacks a name or one attribute.`
    }
  },
  {
    id: 'ldap-host',
    citation: 'RFC 5280, 4.2.1.13',
    severity: 'warning',
    check: ({ crlUrls = [], access }) =>
      [...crlUrls, ...(access?.caIssuers ?? [])].some(url => /^ldap:\/\/\//i.test(url))
        ? 'An LDAP address names no host, so only members of one directory find it.'
        : undefined
  },
  {
    id: 'address-host',
    citation: 'RFC 5280, 4.2.1.6',
    severity: 'warning',
    check: ({ crlUrls = [], access }) => {
      const local = [...crlUrls, ...(access?.caIssuers ?? []), ...(access?.ocsp ?? [])].find(url => LOCAL.test(url))
      return local === undefined
        ? undefined
        : `The address ${local} has a host name that is good on this machine alone.`
    }
  },
  {
    id: 'ca-address-missing',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.2.3, c',
    severity: 'warning',
    check: ({ isSelfSigned, access }) =>
      isSelfSigned || (access !== undefined && access.caIssuers.length > 0)
        ? undefined
        : "The certificate does not say where the CA's certificate is."
  },
  {
    id: 'revocation-source',
    citation: 'RFC 5280, 4.2.1.13',
    severity: 'warning',
    check: ({ isSelfSigned, crlUrls = [], access, byOid }) =>
      isSelfSigned || crlUrls.length > 0 || (access !== undefined && access.ocsp.length > 0) || byOid.has(NO_CHECK)
        ? undefined
        : 'Nobody can find out whether the certificate is revoked: it names neither a CRL nor an OCSP responder.'
  }
]

/** id-pkix-ocsp-nocheck: the responder is trusted for its short life (RFC 6960, 4.2.2.2.1). */
const NO_CHECK = '1.3.6.1.5.5.7.48.1.5'
