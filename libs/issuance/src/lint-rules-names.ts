import { TAG } from '@app/der'
import { OID } from '@app/oid'
import { findNameAttributeType, type NameAttribute } from '@app/x509'
import type { LintRule } from './lint-rule.js'
import type { TbsFacts } from './tbs-facts.js'

/** Types of which a subject has one. Not the common name: a directory path has several. */
const SINGLE: readonly string[] = [
  OID.id_at_countryName,
  OID.id_at_organizationName,
  OID.id_at_stateOrProvinceName,
  OID.id_at_localityName,
  OID.id_at_serialNumber
]

/** The name of the issuer and that of the subject. */
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
    id: 'name-length',
    citation: 'RFC 5280, A.1',
    severity: 'error',
    check: facts => {
      const long = attributesOf(facts).find(({ type, value }) => {
        const limit = findNameAttributeType(type)?.maxLength
        return limit !== undefined && value.length > limit && Array.from(value).length > limit
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
    id: 'name-placeholder',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.4.2',
    severity: 'error',
    check: ({ subjectAttributes }) => {
      const empty = subjectAttributes.find(({ value }) => /^[\p{P}\p{S}\s]+$/u.test(value) && value.trim() !== '')
      return empty === undefined ? undefined : `The name attribute ${empty.type} has signs alone that say nothing.`
    }
  },
  {
    id: 'name-space',
    citation: 'RFC 4518, 2.6.1',
    severity: 'warning',
    check: ({ subjectAttributes }) => {
      const padded = subjectAttributes.find(({ value }) => value.trim() !== value && value.trim() !== '')
      return padded === undefined ? undefined : `The name attribute ${padded.type} begins or ends with a space.`
    }
  },
  {
    id: 'name-control',
    citation: 'RFC 4518, 2.4',
    severity: 'error',
    check: ({ subjectAttributes }) => {
      const odd = subjectAttributes.find(({ value }) => /[\p{Cc}\p{Cf}\u2028\u2029]/u.test(value))
      return odd === undefined ? undefined : `The name attribute ${odd.type} has a character that is not shown.`
    }
  },
  {
    id: 'name-form',
    citation: 'RFC 5280, 4.1.2.4',
    severity: 'error',
    check: ({ subjectAttributes }) => {
      const odd = subjectAttributes.find(({ type, tag }) => !formsOf(type).includes(tag))
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
    id: 'name-repeated',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.4.2.2',
    severity: 'warning',
    check: ({ subjectAttributes }) => {
      const repeated = SINGLE.find(type => subjectAttributes.filter(attribute => attribute.type === type).length > 1)
      return repeated === undefined ? undefined : `The subject has the name attribute ${repeated} twice.`
    }
  },
  {
    id: 'name-rdn-size',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.4.1',
    severity: 'warning',
    check: ({ subject }) =>
      subject.rdns.some(({ length }) => length > 1) ? 'An RDN of the subject has more than one attribute.' : undefined
  },
  {
    id: 'name-domain',
    citation: 'RFC 4519, 2.4',
    severity: 'error',
    check: ({ subjectAttributes }) => {
      const wrong = subjectAttributes.find(
        ({ type, value }) =>
          type === OID.id_domainComponent && !/^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(value)
      )
      return wrong === undefined ? undefined : `The domain component "${wrong.value}" is not one label of a domain.`
    }
  },
  {
    id: 'name-mail',
    citation: 'RFC 5280, 4.1.2.6; RFC 8550, 3',
    severity: 'warning',
    check: ({ subjectAttributes, altNames = [] }) => {
      const lost = subjectAttributes.find(
        ({ type, value }) =>
          type === OID.id_emailAddress && !altNames.some(name => name.kind === 'rfc822Name' && name.value === value)
      )
      return lost === undefined ? undefined : 'The mail address of the subject is not among the alternative names.'
    }
  },
  {
    id: 'ca-common-name',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.4.3.1',
    severity: 'warning',
    check: ({ isCa, subject, subjectAttributes }) =>
      isCa && subject.rdns.length > 0 && !subjectAttributes.some(({ type }) => type === OID.id_at_commonName)
        ? 'A CA has no common name.'
        : undefined
  },
  {
    id: 'common-name-server',
    citation: 'CA/Browser Forum Baseline Requirements, 7.1.4.3; RFC 9525, 2',
    severity: 'warning',
    check: ({ extendedKeyUsage = [], isCa, subjectAttributes, altNames = [] }) => {
      if (isCa || !extendedKeyUsage.includes(OID.id_kp_serverAuth)) return undefined
      const lost = subjectAttributes.find(
        ({ type, value }) => type === OID.id_at_commonName && isHostName(value) && !namesHost(altNames, value)
      )
      return lost === undefined ? undefined : `The host name ${lost.value} is not among the alternative names.`
    }
  },
  {
    id: 'common-name-mail',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 7.1.4.2.2, a',
    severity: 'warning',
    check: ({ extendedKeyUsage = [], isCa, subjectAttributes, altNames = [] }) => {
      if (isCa || !extendedKeyUsage.includes(OID.id_kp_emailProtection)) return undefined
      const lost = subjectAttributes.find(
        ({ type, value }) =>
          type === OID.id_at_commonName &&
          /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(value) &&
          !altNames.some(name => name.kind === 'rfc822Name' && name.value === value)
      )
      return lost === undefined ? undefined : `The mail address ${lost.value} is not among the alternative names.`
    }
  }
]

function attributesOf({ issuer, subjectAttributes }: TbsFacts): NameAttribute[] {
  return [...issuer.rdns.flat(), ...subjectAttributes]
}

function isHostName(text: string): boolean {
  return /^(?:\*\.)?(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63}$/i.test(text)
}

function namesHost(altNames: NonNullable<TbsFacts['altNames']>, host: string): boolean {
  const wanted = host.toLowerCase()
  // An IP address looks like a host name, and has its own form.
  return altNames.some(
    name => (name.kind === 'dNSName' && name.value.toLowerCase() === wanted) || name.kind === 'iPAddress'
  )
}

/** The string types that a certificate of ours may use for a name attribute. */
function formsOf(type: string): readonly number[] {
  const own = findNameAttributeType(type)?.tag
  if (own === TAG.ia5String || type === OID.id_at_countryName || type === OID.id_at_serialNumber) return [own as number]
  return [TAG.utf8String, TAG.printableString]
}
