import { z } from 'zod'
import { FILE_ADDRESS, OCSP_ADDRESS } from '@app/templates'
import { coverage } from './coverage-settings.js'
import { limits } from './limits-settings.js'
import { messaging } from './messaging-settings.js'
import { registration } from './registration-settings.js'
import { directory } from './directory-settings.js'
import { drill } from './drill-settings.js'
import { recovery } from './recovery-settings.js'
import { webhooks } from './webhook-settings.js'

/** The parts that one process can serve; together they are the whole server. */
export const ROLES = ['front', 'console', 'authority', 'archive'] as const

/** A part of {@link ROLES}. */
export type Role = (typeof ROLES)[number]

const host = (what: string) =>
  z
    .string()
    .min(1)
    .meta({ description: `Address that ${what} listens on.` })
const port = (what: string) =>
  z
    .int()
    .min(0)
    .max(65535)
    .meta({ description: `Port of ${what}; 0 takes any free one.` })
const path = (description: string) => z.string().min(1).meta({ description })
const webUrl = (protocol: RegExp, description: string) => z.url({ protocol }).meta({ description })

const listener = (what: string, defaultPort: number) =>
  z.strictObject({ host: host(what).default('127.0.0.1'), port: port(what).default(defaultPort) }).prefault({})

const httpsListener = z
  .strictObject({
    host: host('the HTTPS listener').default('127.0.0.1'),
    port: port('the HTTPS listener').default(8443),
    certificateFile: path(
      'PEM file with the certificate of the HTTPS listener and its issuers; without it the listener gets one from the CA by itself.'
    ).optional(),
    keyFile: path('PEM file with the private key of the certificate in https.certificateFile.').optional()
  })
  .prefault({})

const operators = z
  .strictObject({
    roleSeparation: z.boolean().default(true).meta({
      description:
        'Whether a person who holds two of the roles administrator, officer, auditor and operator at a CA may do nothing.'
    }),
    sessionIdleMinutes: z
      .int()
      .min(1)
      .max(24 * 60)
      .default(30)
      .meta({ description: 'Minutes without a call after which a browser has to sign in again.' }),
    sessionHours: z
      .int()
      .min(1)
      .max(24 * 7)
      .default(10)
      .meta({ description: 'Hours after which a browser has to sign in again in any case.' })
  })
  .prefault({})

const oidc = z
  .strictObject({
    issuer: webUrl(
      /^https$/,
      'OpenID Connect provider at which people sign in, by its issuer identifier; nobody does when not set.'
    ).optional(),
    clientId: z.string().min(1).optional().meta({ description: 'What the provider knows this server by.' }),
    clientSecretFile: path('File with the secret that the provider gave this server.').optional(),
    trustFile: path(
      'PEM file with the roots that the provider is trusted by; those of the system when not set.'
    ).optional(),
    scope: z.string().min(1).default('openid profile email').meta({ description: 'Scope that is asked for.' }),
    claim: z
      .string()
      .min(1)
      .default('upn')
      .meta({ description: 'Claim of the ID token that says who signs in; email counts only when it is verified.' }),
    attribute: z
      .enum(['upn', 'mail', 'account'])
      .default('upn')
      .meta({ description: 'Attribute of the account in the directory that the claim is compared with.' })
  })
  .prefault({})

const crl = z
  .strictObject({
    validityHours: z
      .int()
      .min(1)
      .max(24 * 366)
      .default(168)
      .meta({ description: 'Hours from one base CRL to the next.' }),
    overlapHours: z
      .int()
      .min(0)
      .max(24 * 31)
      .default(24)
      .meta({ description: 'Hours that a base CRL stays valid after the next one is due.' }),
    deltaHours: z
      .int()
      .min(0)
      .max(24 * 31)
      .default(24)
      .meta({ description: 'Hours from one delta CRL to the next; 0 publishes none and names none in certificates.' }),
    deltaOverlapHours: z
      .int()
      .min(0)
      .max(24 * 31)
      .default(12)
      .meta({ description: 'Hours that a delta CRL stays valid after the next one is due.' }),
    onRevocation: z.enum(['base', 'delta', 'none']).default('base').meta({
      description: 'Kind of CRL that is published after a revocation or release, beside the regular ones.'
    }),
    revocationDelaySeconds: z.int().min(0).max(86_400).default(5).meta({
      description: 'Least time between two CRLs that revocations bring about, in seconds; the first comes at once.'
    })
  })
  .prefault({})

const ocsp = z
  .strictObject({
    validityMinutes: z
      .int()
      .min(2)
      .max(60 * 24 * 7)
      .default(60)
      .meta({ description: 'Minutes from thisUpdate to nextUpdate of an OCSP response.' }),
    certificateHours: z
      .int()
      .min(1)
      .max(24 * 90)
      .default(168)
      .meta({ description: 'Hours that the certificate of an OCSP responder lasts; it is renewed at half of them.' }),
    cachedResponses: z.int().min(0).max(1_000_000).default(20_000).meta({
      description: 'OCSP responses kept for a CA key to be given again, about 1.5 kB each.'
    })
  })
  .prefault({})

const audit = z
  .strictObject({
    checkpointSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .default(60)
      .meta({ description: 'Seconds from one signed checkpoint of the audit log to the next, while it grows.' }),
    checkpointFile: path(
      'File that the checkpoints are added to, best on another disk; audit/checkpoints.jsonl in the home when not set.'
    ).optional()
  })
  .prefault({})

const addresses = (what: string, pattern: RegExp, form: string) =>
  z
    .array(z.string().max(1024).regex(pattern, `is no ${form} address`))
    .max(8)
    .default([])
    .meta({
      description: `Further addresses of ${what} in certificates: ${form}. {ca}, {key} and {certificate} stand for the numbers of the CA, of its key and of its certificate.`
    })

const log = z
  .strictObject({
    level: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .default('info')
      .meta({ description: 'Least severe messages that are written.' }),
    format: z
      .enum(['auto', 'json', 'pretty'])
      .default('auto')
      .meta({ description: 'One JSON object a line, or text for people; auto writes text to a terminal only.' })
  })
  .prefault({})

/** Every setting: what it means, what it may be, and what it is when nobody sets it. */
export const settingsSchema = z.strictObject({
  home: path('Directory of the installation: keys, embedded database, certkeep.yaml.').default('./.certkeep'),
  roles: z
    .array(z.enum(ROLES))
    .min(1)
    .refine(roles => new Set(roles).size === roles.length, 'names a role twice')
    .default([...ROLES])
    .meta({ description: 'Roles that this process serves.' }),
  databaseUrl: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'is no postgres:// URL')
    .optional()
    .meta({
      description:
        'PostgreSQL to use instead of the embedded one, as a postgres:// URL with sslmode, sslrootcert, sslcert, sslkey.'
    }),
  databaseUrlFile: path('File with the database URL, for one that holds a password.').optional(),
  https: httpsListener,
  http: listener('the plain HTTP listener for CRLs, OCSP and CA certificates', 8080),
  metrics: listener('the metrics listener', 9464),
  hostNames: z
    .array(z.string().regex(/^[A-Za-z0-9.:_-]+$/, 'is no host name or address'))
    .min(1)
    .default(['localhost', '127.0.0.1', '::1'])
    .meta({ description: 'Names and addresses in the certificate of the HTTPS listener.' }),
  publicUrl: webUrl(
    /^https$/,
    'Address at which clients reach the HTTPS listener; made of the first host name and the port when not set.'
  ).optional(),
  httpBaseUrl: webUrl(
    /^https?$/,
    'Address that certificates name for CRLs, OCSP and CA certificates; made of the first host name and the port when not set.'
  ).optional(),
  addresses: z
    .strictObject({
      crl: addresses('the CRL', FILE_ADDRESS, 'http or ldap'),
      caIssuers: addresses('the CA certificate', FILE_ADDRESS, 'http or ldap'),
      ocsp: addresses('the OCSP responder', OCSP_ADDRESS, 'http')
    })
    .prefault({}),
  ca: z
    .strictObject({
      passphraseFile: path(
        'File with the passphrase of the key store; one is generated in the home when not set.'
      ).optional()
    })
    .prefault({}),
  operators,
  oidc,
  log,
  limits,
  crl,
  ocsp,
  audit,
  coverage,
  directory,
  drill,
  recovery,
  webhooks,
  registration,
  messaging,
  graceSeconds: z
    .int()
    .min(0)
    .max(600)
    .default(20)
    .meta({ description: 'Seconds that requests in flight have to end after SIGTERM or SIGINT.' })
})

/** The settings as the schema gives them, before the ones that depend on others are filled in. */
export type Settings = z.output<typeof settingsSchema>

/** Settings as they may be written: every one may be left out. */
export type SettingsInput = z.input<typeof settingsSchema>

/** The settings whose value is a file or directory; `*` stands for every member of a list. */
export const PATH_SETTINGS: readonly (readonly string[])[] = [
  ['home'],
  ['databaseUrlFile'],
  ['https', 'certificateFile'],
  ['https', 'keyFile'],
  ['oidc', 'clientSecretFile'],
  ['oidc', 'trustFile'],
  ['ca', 'passphraseFile'],
  ['audit', 'checkpointFile'],
  ['directory', 'ldap', 'passwordFile'],
  ['directory', 'ldap', 'trustFile'],
  ['webhooks', '*', 'secretFile'],
  ['webhooks', '*', 'trustFile']
]
