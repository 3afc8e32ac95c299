import { z } from 'zod'

/** An LDIF file of accounts and groups, or a part of one. */
export const importBody = z.strictObject({
  ldif: z.string().min(1).describe('Content records (RFC 2849). Large files are sent in parts, accounts first.'),
  domain: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^\\]+$/, 'has no backslash')
    .optional()
    .describe('Domain of accounts; else msDS-PrincipalName says it, or the distinguished name.'),
  accountAttribute: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]*$/, 'is no attribute name')
    .default('sAMAccountName')
})

const findingView = z.object({ dn: z.string(), severity: z.enum(['error', 'warning']), detail: z.string() })

/** What became of the entries of a file. */
export const importView = z.object({
  added: z.number().int(),
  changed: z.number().int(),
  unchanged: z.number().int(),
  ignored: z.number().int().describe('Entries that are no accounts of a domain.'),
  findings: z.array(findingView).describe('What was not taken: whole entries (error), or something of one (warning).')
})

export type ImportBody = z.infer<typeof importBody>
export type ImportView = z.infer<typeof importView>
export type ImportFinding = z.infer<typeof findingView>
