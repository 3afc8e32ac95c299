import { z } from 'zod'

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
    })
  })
  .prefault({})
