import { z } from 'zod'

const isLoopback = (host: string) => host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host)

/** Whether notices may go there: over TLS, or without leaving this machine; and nothing secret in the address. */
function isReceiver(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password, hash } = new URL(text)
  return (protocol === 'https:' || isLoopback(hostname)) && `${username}${password}${hash}` === ''
}

const WEBHOOK_EVENTS = ['pending', 'issued', 'denied', 'failed', 'revoked', 'recovered', 'drill_failed'] as const

const webhook = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, 'is not 1 to 32 lower-case letters, digits and hyphens')
    .meta({ description: 'What it is called in lists and metrics.' }),
  url: z
    .url({ protocol: /^https?$/ })
    .meta({ description: 'Where notices are sent: https, or http to this machine.' })
    .refine(isReceiver, 'must be https, or http to a loopback address, without user, password or fragment'),
  secretFile: z.string().min(1).meta({
    description: 'File with the secret that notices are signed with; several lines sign with several secrets.'
  }),
  events: z
    .array(z.enum(WEBHOOK_EVENTS))
    .min(1)
    .default([...WEBHOOK_EVENTS])
    .meta({
      description:
        'What becomes of a request, or of its archived key, that notices are sent of; and drill_failed: that a recovery drill failed.'
    }),
  ca: z.string().min(1).exactOptional().meta({ description: 'Only requests at the CA of this name.' }),
  template: z.string().min(1).exactOptional().meta({ description: 'Only requests for the template of this name.' }),
  trustFile: z
    .string()
    .min(1)
    .exactOptional()
    .meta({ description: 'PEM of the CAs that the receiver is verified by, in place of those of the system.' }),
  timeoutSeconds: z
    .int()
    .min(1)
    .max(60)
    .default(10)
    .meta({ description: 'Seconds that the receiver has for its answer.' })
})

/** The webhooks of a configuration. */
export const webhooks = z
  .array(webhook)
  .max(16)
  .refine(members => new Set(members.map(({ name }) => name)).size === members.length, 'has a name twice')
  .default([])
  .meta({ description: 'Servers that are told what becomes of requests.' })

/** One of the webhooks. */
export type WebhookSettings = z.output<typeof webhook>
