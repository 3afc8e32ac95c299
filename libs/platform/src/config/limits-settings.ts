import { z } from 'zod'

/** How much a caller may do and send. */
export const limits = z
  .strictObject({
    bodyBytes: z
      .int()
      .min(1024)
      .max(16 * 1024 * 1024)
      .default(256 * 1024)
      .meta({ description: 'Largest body of a request, in bytes.' }),
    submitWaitSeconds: z
      .int()
      .min(0)
      .max(120)
      .default(30)
      .meta({ description: 'Longest time that a client may have the server wait for an outcome, in seconds.' }),
    requestsPerMinute: z
      .int()
      .min(0)
      .default(6000)
      .meta({ description: 'Requests a caller may make in a minute; 0 sets no limit.' }),
    failuresPerMinute: z.int().min(0).default(60).meta({
      description:
        'Refused credentials, sign-ins begun and archived keys that do not open, a caller and minute, before it has to wait; 0 sets no limit.'
    }),
    registrationsPerMinute: z.int().min(0).default(600).meta({
      description:
        'Registrations of clients that an address may send in a minute, those of its proxies among them; 0 sets no limit.'
    })
  })
  .prefault({})
