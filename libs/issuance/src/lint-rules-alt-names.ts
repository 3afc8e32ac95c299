import { attempt, toHex } from '@app/core'
import { DerReader, TAG } from '@app/der'
import { OID } from '@app/oid'
import type { GeneralName } from '@app/x509'
import type { LintRule } from './lint-rule.js'

type OtherName = Extract<GeneralName, { readonly kind: 'otherName' }>

/** The subject alternative names. */
export const altNameRules: readonly LintRule[] = [
  {
    id: 'alt-name-critical',
    citation: 'RFC 5280, 4.2.1.6',
    severity: 'error',
    check: ({ subject, byOid }) =>
      subject.rdns.length === 0 && byOid.get(OID.id_ce_subjectAltName)?.critical === false
        ? 'The subject is empty, and the subject alternative name is not critical.'
        : undefined
  },
  {
    id: 'alt-name-needlessly-critical',
    citation: 'RFC 5280, 4.2.1.6',
    severity: 'warning',
    check: ({ subject, byOid }) =>
      subject.rdns.length > 0 && byOid.get(OID.id_ce_subjectAltName)?.critical === true
        ? 'There is a subject, and the subject alternative name is critical all the same.'
        : undefined
  },
  {
    id: 'alt-name-form',
    citation: 'RFC 5280, 4.2.1.6',
    severity: 'error',
    check: ({ altNames = [] }) => {
      const odd = altNames.find(name => !isInPreferredForm(name))
      return odd === undefined ? undefined : `An alternative name is no ${odd.kind}.`
    }
  },
  {
    id: 'alt-name-kind',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.4.2.1',
    severity: 'error',
    check: ({ altNames = [] }) => {
      const odd = altNames.find(({ kind }) => kind === 'x400Address' || kind === 'ediPartyName')
      return odd === undefined ? undefined : `An alternative name is of the form ${odd.kind}, which nobody reads.`
    }
  },
  {
    id: 'alt-name-repeated',
    citation: 'RFC 5280, 4.2.1.6',
    severity: 'warning',
    check: ({ altNames = [] }) => {
      if (altNames.length < 2) return undefined
      return new Set(altNames.map(identityOf)).size < altNames.length ? 'An alternative name occurs twice.' : undefined
    }
  },
  {
    id: 'alt-name-underscore',
    citation: 'RFC 5280, 4.2.1.6; RFC 1034, 3.5',
    severity: 'warning',
    check: ({ altNames = [] }) => {
      const odd = altNames.find(name => name.kind === 'dNSName' && name.value.includes('_'))
      return odd === undefined ? undefined : 'A DNS name has an underscore, which no host name has.'
    }
  },
  {
    id: 'alt-name-wildcard',
    citation: 'RFC 9525, 6.3',
    severity: 'error',
    check: ({ altNames = [] }) => {
      const wide = altNames.find(name => name.kind === 'dNSName' && /^\*\.[^.]+$/.test(name.value))
      return wide === undefined ? undefined : 'A wildcard stands for a whole top-level domain.'
    }
  },
  {
    id: 'alt-name-address-as-host',
    citation: 'RFC 5280, 4.2.1.6',
    severity: 'warning',
    check: ({ altNames = [] }) => {
      const odd = altNames.find(name => name.kind === 'dNSName' && /^\d{1,3}(?:\.\d{1,3}){3}$/.test(name.value))
      return odd === undefined ? undefined : 'An IP address stands as a DNS name, where no client finds it.'
    }
  },
  {
    id: 'alt-name-uri-host',
    citation: 'RFC 5280, 4.2.1.6',
    severity: 'error',
    check: ({ altNames = [] }) => {
      const odd = altNames.find(
        name => name.kind === 'uri' && /^(?:https?|ftps?|sips?):\/\/(?:[/?#:]|$)/i.test(name.value)
      )
      return odd === undefined ? undefined : 'A URI names no host.'
    }
  },
  {
    id: 'alt-name-server',
    citation: 'RFC 9525, 2',
    severity: 'warning',
    check: ({ isCa, extendedKeyUsage = [], altNames = [] }) =>
      !isCa &&
      extendedKeyUsage.includes(OID.id_kp_serverAuth) &&
      !altNames.some(({ kind }) => kind === 'dNSName' || kind === 'iPAddress')
        ? 'TLS clients find no name of the server: there is no DNS name or IP address among the alternative names.'
        : undefined
  },
  {
    id: 'alt-name-mail',
    citation: 'RFC 8550, 3',
    severity: 'warning',
    check: ({ isCa, extendedKeyUsage = [], altNames = [] }) =>
      !isCa &&
      extendedKeyUsage.includes(OID.id_kp_emailProtection) &&
      !altNames.some(name => name.kind === 'rfc822Name' || isOther(name, OID.id_on_SmtpUTF8Mailbox))
        ? 'Mail clients find no address: there is no mail address among the alternative names.'
        : undefined
  },
  {
    id: 'alt-name-mailbox',
    citation: 'RFC 9598, 3',
    severity: 'error',
    check: ({ altNames = [] }) => {
      const odd = altNames.find(name => isOther(name, OID.id_on_SmtpUTF8Mailbox) && !isInternationalMailbox(name))
      return odd === undefined
        ? undefined
        : 'An SmtpUTF8Mailbox is no UTF8String of an international local part and a domain in ASCII.'
    }
  },
  {
    id: 'alt-name-upn',
    citation: 'MS-WCCE 3.2.2.6.2.1.4.5; RFC 5280, 4.2.1.6',
    severity: 'error',
    check: ({ altNames = [] }) => {
      const odd = altNames.find(name => isOther(name, OID.szOID_NT_PRINCIPAL_NAME) && !isPrincipalName(name))
      return odd === undefined ? undefined : 'A user principal name is no UTF8String of an account and a domain.'
    }
  },
  {
    id: 'alt-name-upn-single',
    citation: 'MS-PKCA 3.1.5.2.1',
    severity: 'error',
    check: ({ altNames = [] }) =>
      altNames.filter(name => isOther(name, OID.szOID_NT_PRINCIPAL_NAME)).length > 1
        ? 'There are two user principal names, and domain controllers look at one.'
        : undefined
  }
]

function isInPreferredForm(name: GeneralName): boolean {
  switch (name.kind) {
    case 'dNSName':
      return (
        name.value.length <= 253 &&
        /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(
          name.value
        )
      )
    case 'rfc822Name':
      return /^[^@\s<>]+@[^@\s<>]+$/.test(name.value)
    case 'uri':
      return /^[a-z][a-z0-9+.-]*:\S+$/i.test(name.value)
    default:
      return true
  }
}

function isOther(name: GeneralName, oid: string): name is OtherName {
  return name.kind === 'otherName' && name.oid === oid
}

/** The text of an otherName that is a UTF8String; undefined when it is anything else. */
function utf8Of({ value }: OtherName): string | undefined {
  const reader = DerReader.over(value)
  if (reader.nextTag !== TAG.utf8String) return undefined
  return attempt(() => reader.string('otherName'))
}

function isPrincipalName(name: OtherName): boolean {
  return /^[^\p{Cc}\p{Z}@]+@[^\p{Cc}\p{Z}@]+$/u.test(utf8Of(name) ?? '')
}

/** The local part has a character outside of ASCII: an address without one is an rfc822Name. */
function isInternationalMailbox(name: OtherName): boolean {
  return /^[^@\s]*[^\x00-\x7f][^@\s]*@[a-z0-9.-]+$/iu.test(utf8Of(name) ?? '')
}

function identityOf(name: GeneralName): string {
  switch (name.kind) {
    case 'rfc822Name':
    case 'dNSName':
    case 'uri':
      return `${name.kind} ${name.value}`
    case 'iPAddress':
      return `${name.kind} ${toHex(name.address)}`
    case 'otherName':
      return `${name.oid} ${toHex(name.value)}`
    case 'directoryName':
      return `${name.kind} ${toHex(name.name.raw)}`
    case 'registeredID':
      return `${name.kind} ${name.oid}`
    case 'x400Address':
    case 'ediPartyName':
      return `${name.kind} ${toHex(name.raw)}`
  }
}
