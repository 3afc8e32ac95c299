import { z } from 'zod'

/** The times of a recovery. */
export const recovery = z
  .strictObject({
    requestHours: z
      .int()
      .min(1)
      .max(24 * 90)
      .default(168)
      .meta({ description: 'Hours in which enough agents must approve the recovery of a key.' }),
    releaseHours: z
      .int()
      .min(1)
      .max(24 * 31)
      .default(24)
      .meta({ description: 'Hours from the last approval that is needed in which a key can be released and fetched.' }),
    ownerNoticeHours: z
      .int()
      .min(0)
      .max(24 * 366)
      .default(0)
      .meta({
        description: 'Hours from the release of a key until the owner of its certificate is told; 0 tells at once.'
      })
  })
  .prefault({})
