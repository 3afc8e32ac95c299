import { z } from 'zod'

/** When operators are warned of keys that agents will not be able to open. */
export const coverage = z
  .strictObject({
    warningDays: z.int().min(1).max(3650).default(90).meta({
      description: 'Days ahead that are warned of archived keys that no longer enough agents will be able to open.'
    })
  })
  .prefault({})
