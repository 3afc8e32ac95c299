import { z } from 'zod'

/** When recovery drills run. */
export const drill = z
  .strictObject({
    hours: z
      .int()
      .min(0)
      .max(24 * 366)
      .default(24)
      .meta({
        description:
          'Hours from one recovery drill to the next, in which a canary key is archived and recovered; 0 runs none.'
      })
  })
  .prefault({})
