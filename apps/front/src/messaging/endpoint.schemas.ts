import { z } from 'zod'
import { endpointFlagsOf, RPC_C_MQ, type EndpointFlag } from '@app/messaging'
import { queueChangeBody } from './messaging.schemas.js'

const flagNames = Object.keys(RPC_C_MQ) as [EndpointFlag, ...EndpointFlag[]]

/** How an endpoint is opened. */
export const endpointBody = queueChangeBody.pick({ encryptionKey: true, access: true }).extend({
  endpointFlags: z
    .union([z.int().min(0), z.array(z.enum(flagNames))])
    .describe('RPC_C_MQ_* by their names, or the word that they make (RPC_POLICY).'),
  aliveSeconds: z
    .int()
    .min(5)
    .max(86_400)
    .default(60)
    .describe('Of a temporary endpoint: for how long nobody need receive from it before it is gone.')
})

/** An endpoint that was opened. */
export const endpointView = z.object({
  name: z.string(),
  made: z.boolean().describe('Whether it was not there before.'),
  minimum: z.enum(['none', 'integrity', 'privacy']).describe('Calls below this level are ignored.'),
  authenticate: z.boolean(),
  privacy: z.string(),
  encryptionKey: z.string().nullable(),
  aliveSeconds: z.number().optional()
})

export type EndpointBody = z.infer<typeof endpointBody>
export type EndpointView = z.infer<typeof endpointView>

/** The word of flags that are named. */
export function flagsOf(given: EndpointBody['endpointFlags']): number {
  return typeof given === 'number' ? given : endpointFlagsOf(given)
}
