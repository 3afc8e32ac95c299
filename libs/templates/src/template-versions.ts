import type { CertificateTemplate } from './certificate-template.js'
import { encodeTemplate } from './template-codec.js'
import { explainFlags, FLAG_MEMBERS, type FlagMember } from './flag-meanings.js'
import { attributeOf } from './template-attributes.js'

/** A member that two versions of a template have otherwise. */
export interface TemplateDifference {
  readonly member: string
  /** The attribute in AD; absent for Certkeep's own settings. */
  readonly attribute?: string
  /** Null where the version lacks it. */
  readonly from: unknown
  readonly to: unknown
  /** Names of the flags that the later version has more, with `+`, and of those it has less, with `-`. */
  readonly flags?: string[]
}

/** What the later version of a template says otherwise than the earlier, in the order of the members. */
export function diffTemplates(from: CertificateTemplate, to: CertificateTemplate): TemplateDifference[] {
  const [before, after] = [encodeTemplate(from), encodeTemplate(to)]
  const members = [...new Set([...Object.keys(before), ...Object.keys(after)])] as (keyof CertificateTemplate)[]
  return members
    .filter(member => JSON.stringify(before[member]) !== JSON.stringify(after[member]))
    .map(member => {
      const attribute = attributeOf(member)
      return {
        member,
        ...(attribute === undefined ? {} : { attribute }),
        from: before[member] ?? null,
        to: after[member] ?? null,
        ...(isFlagMember(member) ? { flags: diffFlags(member, from[member], to[member]) } : {})
      }
    })
}

function isFlagMember(member: string): member is FlagMember {
  return (FLAG_MEMBERS as readonly string[]).includes(member)
}

function diffFlags(member: FlagMember, from: number, to: number): string[] {
  const names = (word: number, sign: string): string[] =>
    explainFlags(member, word >>> 0).map(({ name, flag }) => `${sign}${name ?? flag}`)
  return [...names(to & ~from, '+'), ...names(from & ~to, '-')]
}

/**
 * Names of the templates that supersede one, of those that are offered beside it (`msPKI-Supersede-Templates`): clients
 * that have a certificate of the one enroll for another of them.
 */
export function supersededBy(template: CertificateTemplate, offered: readonly CertificateTemplate[]): string[] {
  const name = template.name.toLowerCase()
  return offered
    .filter(other => other.name.toLowerCase() !== name)
    .filter(other => other.supersededTemplates.some(superseded => superseded.toLowerCase() === name))
    .map(other => other.name)
}
