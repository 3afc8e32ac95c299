import { AppError } from '@app/core'
import type { z } from 'zod'
import type { CertificateTemplate } from './certificate-template.js'
import { templateSchema } from './template-schema.js'

/**
 * A template from its JSON form. Strict: a member that is not known, missing or out of range is refused.
 * Throws `invalid_argument`; the evidence has the JSON pointer (RFC 6901) of the first fault and how many there are.
 */
export function decodeTemplate(json: unknown): CertificateTemplate {
  const result = templateSchema.safeParse(json)
  if (result.success) return result.data
  const faults = result.error.issues.flatMap(describe)
  const [first] = faults
  const text = faults.map(fault => `${fault.pointer} ${fault.message}`).join('; ')
  throw new AppError('invalid_argument', `The template is not valid: ${text}.`, {
    pointer: first?.pointer ?? '',
    faults: faults.length
  })
}

/** The JSON form of a template: what {@link decodeTemplate} takes, members in a fixed order. */
export function encodeTemplate(template: CertificateTemplate): Record<string, unknown> {
  const members = Object.keys(templateSchema.shape) as (keyof CertificateTemplate)[]
  return Object.fromEntries(
    members.filter(member => template[member] !== undefined).map(member => [member, template[member]])
  )
}

function describe(issue: z.core.$ZodIssue): { pointer: string; message: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({
      pointer: pointerTo([...issue.path, key]),
      message: 'is not a member of a template'
    }))
  }
  return [{ pointer: pointerTo(issue.path), message: issue.message }]
}

function pointerTo(path: readonly PropertyKey[]): string {
  return path.map(step => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
