import { z } from 'zod'

const isLoopback = (host: string) => host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host)

/** Whether a password may be sent there: over TLS, or without leaving this machine. */
function isProtected(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  return (protocol === 'ldaps:' || isLoopback(hostname)) && `${username}${password}` === ''
}

const ldap = z
  .strictObject({
    url: z
      .url({ protocol: /^ldaps?$/ })
      .refine(isProtected, 'must be ldaps, or ldap to a loopback address, without user and password')
      .optional()
      .meta({ description: 'LDAP server that certificates are published to and accounts can be read from.' }),
    bindDn: z.string().min(1).optional().meta({ description: 'Distinguished name that the server signs in with.' }),
    passwordFile: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'File with the password of directory.ldap.bindDn.' }),
    trustFile: z.string().min(1).optional().meta({
      description: 'PEM of the CAs that the LDAP server is verified by, in place of those of the system.'
    }),
    base: z.string().min(1).optional().meta({ description: 'Distinguished name below which accounts are looked for.' }),
    accountAttribute: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]*$/, 'is no attribute name')
      .default('sAMAccountName')
      .meta({ description: 'Attribute that holds the account name; uid where the schema is not that of AD.' }),
    certificateAttribute: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]*(?:;binary)?$/, 'is no attribute name')
      .default('userCertificate')
      .meta({ description: 'Attribute that certificates are added to; userCertificate;binary for OpenLDAP.' }),
    read: z
      .strictObject({
        enabled: z.boolean().default(false).meta({
          description: 'Whether accounts and groups are read from the LDAP server.'
        }),
        everyMinutes: z.int().min(1).max(1440).default(15).meta({ description: 'Minutes between two times.' }),
        domain: z
          .string()
          .min(1)
          .max(255)
          .regex(/^[^\\]+$/, 'has no backslash')
          .optional()
          .meta({
            description: 'Domain of the accounts that are read; else the DNS name in their distinguished names.'
          }),
        filter: z
          .string()
          .max(4096)
          .regex(/^\(.*\)$/s, 'is no filter in parentheses')
          .default(
            '(|(objectClass=person)(objectClass=posixAccount)(objectClass=computer)(objectClass=ipHost)' +
              '(objectClass=group)(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))'
          )
          .meta({ description: 'LDAP filter (RFC 4515) of the entries that are read.' }),
        mostRemovedPercent: z.int().min(0).max(100).default(20).meta({
          description: 'How many of the accounts may be gone at once, beyond ten; where more are, none is disabled.'
        })
      })
      .prefault({}),
    timeoutSeconds: z.int().min(1).max(120).default(10).meta({ description: 'Seconds that an answer may take.' })
  })
  .prefault({})

/** What the directory is, and what may be registered in it. */
export const directory = z
  .strictObject({
    workgroup: z.boolean().default(false).meta({
      description: 'Whether this server is in workgroup mode: there is no domain, and nothing is registered.'
    }),
    certificatesPerUser: z.int().min(1).max(1000).default(64).meta({
      description: 'Certificates that may be registered for one account.'
    }),
    internalTemplate: z
      .string()
      .min(1)
      .default('UserSignature')
      .meta({ description: 'Template by which internal certificates are issued; it must need no approval.' }),
    requirePossession: z.boolean().default(false).meta({
      description: 'Whether an external certificate is registered only with a proof that the caller holds its key.'
    }),
    ldap
  })
  .prefault({})
