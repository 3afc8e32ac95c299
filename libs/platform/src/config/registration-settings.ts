import { z } from 'zod'

const listener = (what: string, port: number) =>
  z
    .strictObject({
      enabled: z
        .boolean()
        .default(false)
        .meta({ description: `Whether ${what} is there.` }),
      host: z
        .string()
        .min(1)
        .default('127.0.0.1')
        .meta({ description: `Address that ${what} listens on.` }),
      port: z
        .int()
        .min(0)
        .max(65535)
        .default(port)
        .meta({ description: `Port of ${what}; 0 takes any free one.` })
    })
    .prefault({})

/** Clients that register with the site. */
export const registration = z
  .strictObject({
    enabled: z.boolean().default(false).meta({
      description: 'Whether clients may register with this site; without it nothing of client registration is served.'
    }),
    mixed: listener('the listener without TLS for clients in mixed mode', 8080),
    native: listener('the listener for clients in native mode, which show a certificate', 44443),
    legacyWire: z.boolean().default(false).meta({
      description:
        'Whether messages are taken as CCM_POST to /ccm_system/request too, in multipart, on the two listeners of clients.'
    })
  })
  .prefault({})
