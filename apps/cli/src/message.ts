import { Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import { collect, parseSeconds, withConnectionOptions, type ConnectionOptions } from './client-options.js'
import type {
  MessageSending,
  OutgoingOptions,
  QueueSettingOptions,
  QueuedSubmitting,
  Receiving
} from './client/message-actions.js'
import { printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

const actions = () => import('./client/message-actions.js')

/** `message …`: queues of messages, the messages in them, and requests that wait while the server is down. */
export function registerMessage(program: Command): void {
  const message = program.command('message').description('queues of messages, and requests as queued calls')
  registerQueues(message)
  registerSending(message)
  registerLooking(message)
  registerOutgoing(message)
}

function withQueueOptions(command: Command): Command {
  return withTableOrJson(withConnectionOptions(command))
    .argument('<queue>', 'its name')
    .option('--authenticate', 'take signed messages only')
    .option('--no-authenticate', 'take unsigned ones too')
    .addOption(new Option('--privacy <rule>', 'which are encrypted').choices(['none', 'optional', 'body']))
    .option('--journaling', 'keep what was received')
    .option('--no-journaling', 'keep nothing of it')
    .option('--key <file>', 'PEM of the key that they are encrypted to')
    .option('--access <sid=rights>', 'write, peek, receive, journal for a SID, with commas; repeatable', collect, [])
}

function registerQueues(message: Command): void {
  withTableOrJson(withConnectionOptions(message.command('queues').description('your queues'))).action(
    async (options: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).listQueues(options), options.output)
  )
  withTableOrJson(withConnectionOptions(message.command('show').description('one queue')))
    .argument('<queue>', 'its name')
    .action(async (name: string, options: WithOutput<ConnectionOptions>) =>
      printData(await (await actions()).showQueue(name, options), options.output)
    )
  withQueueOptions(message.command('create').description('make a queue, which you own')).action(
    async (name: string, options: WithOutput<QueueSettingOptions>) =>
      printData(await (await actions()).createQueue(name, options), options.output)
  )
  withQueueOptions(message.command('change').description('change a queue for messages that come from now on')).action(
    async (name: string, options: WithOutput<QueueSettingOptions>) =>
      printData(await (await actions()).changeQueue(name, options), options.output)
  )
  withConnectionOptions(message.command('remove').description('remove a queue with all that is in it'))
    .argument('<queue>', 'its name')
    .action(async (name: string, options: ConnectionOptions) => {
      await (await actions()).removeQueue(name, options)
      talkOf(message).say(`The queue ${name} is gone.`)
    })
  withConnectionOptions(message.command('purge').description('empty a queue, its journal or its dead letters'))
    .argument('<queue>', 'its name')
    .addOption(
      new Option('--place <place>', 'what of it').choices(['messages', 'journal', 'dead-letter']).default('messages')
    )
    .action(async (name: string, options: ConnectionOptions & { readonly place: 'messages' }) => {
      await (await actions()).purgeQueue(name, options.place, options)
      talkOf(message).say(`The ${options.place} of ${name} are gone.`)
    })
}

function withSender(command: Command): Command {
  return withTableOrJson(withConnectionOptions(command))
    .option('--store <folder>', 'the personal store whose internal certificate signs')
    .option('--outgoing <folder>', 'keep it there until the server has it; 3 while it waits')
}

function registerSending(message: Command): void {
  withSender(message.command('send').description('send the bytes of a file'))
    .argument('<queue>', 'where to')
    .argument('<file>', 'the body')
    .addOption(
      new Option('--level <level>', 'how it is protected').choices(['none', 'integrity', 'privacy']).default('none')
    )
    .option('--label <text>', 'what everybody may read of it')
    .option('--priority <number>', '0 to 7', Number, 3)
    .option('--recoverable', 'it survives a crash of the server')
    .option('--dead-letter', 'keep it when it fails')
    .action(async (queue: string, file: string, options: WithOutput<MessageSending>) =>
      printData(await (await actions()).sendMessage(queue, file, options), options.output)
    )
  withSender(message.command('submit').description('submit a request as a queued call; 3 until it is decided'))
    .argument('<request>', 'a request, PEM or DER')
    .option('--attribute <name:value>', 'a request attribute; repeatable', collect, [])
    .option('--response-queue <queue>', 'your queue that the answer comes to')
    .option('--wait <seconds>', 'wait for the answer', parseSeconds, 0)
    .action(async (file: string, options: WithOutput<QueuedSubmitting>) =>
      printData(await (await actions()).submitByCall(file, options), options.output)
    )
}

function registerLooking(message: Command): void {
  withTableOrJson(withConnectionOptions(message.command('receive').description('take messages out of a queue')))
    .argument('<queue>', 'its name')
    .option('--most <number>', 'at most so many', parsePositive, 1)
    .option('--wait <seconds>', 'wait for the first', parseSeconds, 0)
    .option('--key <file>', 'PEM of the private key that they are encrypted to')
    .action(async (queue: string, options: WithOutput<Receiving>) =>
      printData(await (await actions()).receiveMessages(queue, options), options.output)
    )
  for (const [verb, description] of [
    ['peek', 'look at the first messages of a queue, which stay'],
    ['journal', 'what was received from a queue and kept'],
    ['dead-letter', 'what did not reach a queue, or of all queues what you sent']
  ] as const) {
    withTableOrJson(withConnectionOptions(message.command(verb).description(description)))
      .argument(verb === 'dead-letter' ? '[queue]' : '<queue>', 'its name')
      .option('--limit <number>', 'at most so many', parsePositive, 20)
      .action(async (queue: string | undefined, options: WithOutput<ConnectionOptions & { readonly limit: number }>) =>
        printData(await (await actions()).listMessages(verb, queue, options), options.output)
      )
  }
}

function registerOutgoing(message: Command): void {
  withTableOrJson(withConnectionOptions(message.command('flush').description('send what waits on this machine')))
    .requiredOption('--outgoing <folder>', 'where it waits')
    .action(async (options: WithOutput<OutgoingOptions>) =>
      printData(await (await actions()).flushOutgoing(options), options.output)
    )
  withTableOrJson(message.command('outgoing').description('what waits on this machine, and what was given up'))
    .requiredOption('--outgoing <folder>', 'where it waits')
    .action(async (options: WithOutput<Pick<OutgoingOptions, 'outgoing'>>) =>
      printData(await (await actions()).listOutgoing(options), options.output)
    )
}
