import { z } from 'zod'

/** Clients that register with the site. */
export const registration = z
  .strictObject({
    enabled: z.boolean().default(false).meta({
      description: 'Whether clients may register with this site; without it nothing of client registration is served.'
    })
  })
  .prefault({})
