import { TAG } from '@app/der'
import { OID } from '@app/oid'
import { findNameAttributeType, type GeneralName, type NameAttribute } from '@app/x509'
import type { LintRule } from './lint-rule.js'
import type { TbsFacts } from './tbs-facts.js'

/** The names of the issuer and the subject, and the alternative names. */
export const nameRules: readonly LintRule[] = [
  {
    id: 'issuer-empty',
    citation: 'RFC 5280, 4.1.2.4',
    severity: 'error',
    check: ({ issuer }) => (issuer.rdns.length === 0 ? 'The issuer is empty.' : undefined)
  },
  {
    id: 'subject-missing',
    citation: 'RFC 5280, 4.1.2.6',
    severity: 'error',
    check: ({ subject, altNames, isCa }) => {
      if (subject.rdns.length > 0) return undefined
      if (isCa) return 'A CA has an empty subject.'
      return altNames === undefined ? 'There is neither a subject nor a subject alternative name.' : undefined
    }
  },
  {
    id: 'alt-name-critical',
    citation: 'RFC 5280, 4.2.1.6',
    severity: 'error',
    check: ({ subject, extensions }) => {
      const altName = extensions.find(({ oid }) => oid === OID.id_ce_subjectAltName)
      return subject.rdns.length === 0 && altName?.critical === false
        ? 'The subject is empty, and the subject alternative name is not critical.'
        : undefined
    }
  },
  {
    id: 'name-length',
    citation: 'RFC 5280, A.1',
    severity: 'error',
    check: facts => {
      const long = attributesOf(facts).find(({ type, value }) => {
        const limit = findNameAttributeType(type)?.maxLength
        return limit !== undefined && Array.from(value).length > limit
      })
      return long === undefined ? undefined : `The name attribute ${long.type} is longer than its limit.`
    }
  },
  {
    id: 'name-value',
    citation: 'RFC 5280, A.1',
    severity: 'error',
    check: facts => {
      const blank = attributesOf(facts).find(({ value }) => value.trim() === '')
      return blank === undefined ? undefined : `The name attribute ${blank.type} is blank.`
    }
  },
  {
    id: 'name-form',
    citation: 'RFC 5280, 4.1.2.4',
    severity: 'error',
    check: ({ subject }) => {
      const odd = subject.rdns.flat().find(({ type, tag }) => !formsOf(type).includes(tag))
      return odd === undefined ? undefined : `The name attribute ${odd.type} is of a string type that is not for it.`
    }
  },
  {
    id: 'name-country',
    citation: 'RFC 5280, A.1',
    severity: 'error',
    check: facts => {
      const countries = attributesOf(facts).filter(({ type }) => type === OID.id_at_countryName)
      return countries.every(({ value }) => /^[A-Za-z]{2}$/.test(value)) ? undefined : 'A country is not two letters.'
    }
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
    id: 'alt-name-server',
    citation: 'RFC 9525, 2',
    severity: 'warning',
    check: ({ extendedKeyUsage = [], altNames = [] }) =>
      extendedKeyUsage.includes(OID.id_kp_serverAuth) &&
      !altNames.some(({ kind }) => kind === 'dNSName' || kind === 'iPAddress')
        ? 'TLS clients find no name of the server: there is no DNS name or IP address among the alternative names.'
        : undefined
  }
]

function attributesOf({ issuer, subject }: TbsFacts): NameAttribute[] {
  return [...issuer.rdns.flat(), ...subject.rdns.flat()]
}

/** The string types that a certificate of ours may use for a name attribute. */
function formsOf(type: string): readonly number[] {
  const own = findNameAttributeType(type)?.tag
  if (own === TAG.ia5String || type === OID.id_at_countryName || type === OID.id_at_serialNumber) return [own as number]
  return [TAG.utf8String, TAG.printableString]
}

function isInPreferredForm(name: GeneralName): boolean {
  switch (name.kind) {
    case 'dNSName':
      return name.value.length <= 253 && /^(?:\*\.)?(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/i.test(name.value)
    case 'rfc822Name':
      return /^[^@\s<>]+@[^@\s<>]+$/.test(name.value)
    case 'uri':
      return /^[a-z][a-z0-9+.-]*:\S+$/i.test(name.value)
    default:
      return true
  }
}
