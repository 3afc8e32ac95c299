import { KEY_USAGES } from '@app/x509'
import { z } from 'zod'
import { KEY_ALGORITHMS } from './certificate-template.js'
import { FILE_ADDRESS, OCSP_ADDRESS } from './address.js'
import { isFlagSet, PRIVATE_KEY_FLAG } from './flags.js'

const HUNDRED_YEARS = 100 * 366 * 86_400

const word = z.number().int().min(0).max(0xffffffff)
const number31 = z.number().int().min(0).max(0x7fffffff)
const seconds = z.number().int().min(60, 'must be at least a minute').max(HUNDRED_YEARS, 'must be at most a century')
// LDAP's bounds of cn and of a group's name; no control characters, which would end up in logs and mail.
const name = (limit: number) =>
  z
    .string()
    .min(1)
    .max(limit)
    .regex(/^[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]+$/u, 'must not have control characters')
const objectIdentifier = z
  .string()
  .max(255)
  .regex(/^(?:[01]\.(?:[0-9]|[123][0-9])|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))*$/, 'must be an object identifier')

function uniqueListOf<T extends z.ZodType<string>>(member: T) {
  return z.array(member).max(256).refine(isWithoutRepetition, 'must not name anything twice')
}

function isWithoutRepetition(members: readonly string[]): boolean {
  return new Set(members.map(member => member.toLowerCase())).size === members.length
}

const provider = z.strictObject({ preference: number31, name: name(256) })

const algorithms = z.strictObject({
  asymmetricAlgorithm: name(64).exactOptional(),
  symmetricAlgorithm: name(64).exactOptional(),
  symmetricKeyLength: z.number().int().min(1).max(4096).exactOptional(),
  hashAlgorithm: name(64).exactOptional(),
  keyUsage: word.exactOptional(),
  keySecurityDescriptor: name(4096).exactOptional()
})

const agentCount = z.number().int().min(1).max(64)
const archival = z
  .discriminatedUnion('mode', [
    z.strictObject({ mode: z.literal('threshold'), agentCount, threshold: z.number().int().min(2).max(64) }),
    z.strictObject({
      mode: z.literal('any-agent'),
      agentCount,
      approvals: z.number().int().min(1).max(64).exactOptional()
    })
  ])
  .superRefine((settings, context) => {
    const [member, demanded] =
      settings.mode === 'threshold' ? ['threshold', settings.threshold] : ['approvals', settings.approvals ?? 1]
    if (demanded <= settings.agentCount) return
    context.addIssue({ code: 'custom', path: [member], message: 'must not be more than agentCount' })
  })

const printable = z
  .string()
  .max(65_536)
  .regex(/^[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]*$/u, 'must not have control characters; give it as base64')
const storedValue = z.union([printable, z.strictObject({ base64: z.base64().max(262_144) })])
const directoryEntry = z.strictObject({
  distinguishedName: printable.min(1),
  attributes: z
    .array(
      z.strictObject({
        name: z
          .string()
          .max(256)
          .regex(/^[A-Za-z0-9][A-Za-z0-9.;-]*$/),
        values: z.array(storedValue).max(4096)
      })
    )
    .max(1024)
    .refine(attributes => isWithoutRepetition(attributes.map(({ name }) => name)), 'must not name an attribute twice')
})

const addressesOf = (pattern: RegExp, what: string) => uniqueListOf(z.string().max(1024).regex(pattern, what))
const addresses = z.strictObject({
  crl: addressesOf(FILE_ADDRESS, 'must be an http or ldap address').exactOptional(),
  caIssuers: addressesOf(FILE_ADDRESS, 'must be an http or ldap address').exactOptional(),
  ocsp: addressesOf(OCSP_ADDRESS, 'must be an http address').exactOptional()
})

/** The JSON form of a certificate template; members not named here are refused. */
export const templateSchema = z
  .strictObject({
    name: name(64),
    displayName: name(256),
    oid: objectIdentifier,
    schemaVersion: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]),
    majorVersion: number31,
    minorVersion: number31,
    generalFlags: word,
    enrollmentFlags: word,
    privateKeyFlags: word,
    subjectNameFlags: word,
    validitySeconds: seconds,
    overlapSeconds: z.number().int().min(0).max(HUNDRED_YEARS),
    keyUsage: z
      .array(z.enum(KEY_USAGES))
      .max(KEY_USAGES.length)
      .refine(isWithoutRepetition, 'must not name a bit twice'),
    extendedKeyUsages: uniqueListOf(objectIdentifier),
    applicationPolicies: uniqueListOf(objectIdentifier),
    issuancePolicies: uniqueListOf(objectIdentifier),
    criticalExtensions: uniqueListOf(objectIdentifier),
    maxIssuingDepth: z.number().int().min(-1).max(255),
    keySpec: z.union([z.literal(1), z.literal(2)]),
    cryptographicProviders: z.array(provider).max(64),
    minimalKeySize: z.number().int().min(0).max(16_384),
    algorithms,
    raSignatures: z.number().int().min(0).max(255),
    raPolicies: uniqueListOf(objectIdentifier),
    raApplicationPolicies: uniqueListOf(objectIdentifier),
    supersededTemplates: uniqueListOf(name(64)),
    securityDescriptor: z.base64().max(65_536).exactOptional(),
    keyAlgorithms: z.array(z.enum(KEY_ALGORITHMS)).min(1, 'must allow a kind of key').refine(isWithoutRepetition),
    allowSha1ProofOfPossession: z.boolean(),
    enroll: uniqueListOf(name(256)),
    autoEnroll: uniqueListOf(name(256)),
    archival: archival.exactOptional(),
    approvals: z.number().int().min(1).max(16).exactOptional(),
    pendingSeconds: seconds.exactOptional(),
    addresses: addresses.exactOptional(),
    directoryEntry: directoryEntry.exactOptional()
  })
  .superRefine((template, context) => {
    const archives = isFlagSet(template.privateKeyFlags, PRIVATE_KEY_FLAG.REQUIRE_PRIVATE_KEY_ARCHIVAL)
    if (archives !== (template.archival !== undefined)) {
      const message = archives
        ? 'is missing, though privateKeyFlags demands archival (0x1)'
        : 'is set, though privateKeyFlags does not demand archival (0x1)'
      context.addIssue({ code: 'custom', path: ['archival'], message })
    }
    if (template.overlapSeconds >= template.validitySeconds) {
      const message = 'must be shorter than validitySeconds, or the certificate is always due for renewal'
      context.addIssue({ code: 'custom', path: ['overlapSeconds'], message })
    }
  })
