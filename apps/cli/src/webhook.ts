import { Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import type { DeliveryListing } from './administration/webhook-actions.js'
import { printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

/** `webhook …`: notices to other servers, for the person at the machine. */
export function registerWebhook(program: Command): void {
  const webhook = program.command('webhook').description('notices to other servers of what becomes of requests')
  const say = (text: string): void => talkOf(webhook).say(text)
  withTableOrJson(webhook.command('list'))
    .description('the deliveries of the last 30 days, newest first')
    .addOption(
      new Option('--state <state>', 'only those that are so').choices(['due', 'delivered', 'failed', 'stopped'])
    )
    .option('--webhook <name>', 'only those of this webhook')
    .option('--request <number>', 'only those on this request', parsePositive)
    .option('--limit <number>', 'at most so many', parsePositive, 100)
    .action(async ({ output, ...listing }: WithOutput<DeliveryListing>) =>
      printData(await (await import('./administration/webhook-actions.js')).listDeliveries(listing), output)
    )
  webhook
    .command('retry')
    .argument('<id>', 'a delivery that was given up')
    .description('make a delivery due again')
    .action(async (id: string) => say(await (await import('./administration/webhook-actions.js')).retryDelivery(id)))
  webhook
    .command('resume')
    .argument('<name>', 'a webhook whose receiver was gone')
    .description('tell a receiver again that had answered that it is gone')
    .action(async (name: string) =>
      say(await (await import('./administration/webhook-actions.js')).resumeWebhook(name))
    )
}
