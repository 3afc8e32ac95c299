import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, UseGuards } from '@nestjs/common'
import { ApiBearerAuth, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { RequesterGuard } from '../requester/requester.guard.js'
import { CurrentRequester, type AuthenticatedRequester } from '../requester/requester.js'
import { MessageArrivals } from './message-arrivals.service.js'
import { MessageQueues } from './message-queues.service.js'
import { MessageReception } from './message-reception.service.js'
import { MessageSealing } from './message-sealing.service.js'
import { MessageSenders } from './message-senders.js'
import {
  batchBody,
  bytesOf,
  keptParameter,
  keptQuery,
  messageListView,
  messageParameter,
  peekQuery,
  placeParameter,
  queueParameter,
  receiveBody,
  receivedView,
  sendBody,
  senderBody,
  senderView,
  sentListView,
  sentMessagesView,
  sentView,
  settleBody,
  type BatchBody,
  type KeptQuery,
  type MessageListView,
  type ReceiveBody,
  type ReceivedView,
  type SendBody,
  type SenderBody,
  type SenderView,
  type SentListView,
  type SentMessagesView,
  type SentView,
  type SettleBody
} from './messaging.schemas.js'

/** Messages on their way into queues and out of them. */
@ApiTags('messages')
@ApiBearerAuth()
@UseGuards(RequesterGuard)
@Controller('api/v1/mq')
export class MessagesController {
  constructor(
    private readonly queues: MessageQueues,
    private readonly arrivals: MessageArrivals,
    private readonly reception: MessageReception,
    private readonly senders: MessageSenders,
    private readonly sealing: MessageSealing
  ) {}

  @Post('queues/:queue/messages')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Send a message in its envelope (MQSendMessage)',
    description: 'The answer is the same whatever becomes of it. Ask for acknowledgements in an administration queue.'
  })
  @ApiResponse({ status: 202, standardSchema: sentView })
  async send(
    @Param('queue', { schema: queueParameter }) name: string,
    @Body({ schema: sendBody }) body: SendBody,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<SentView> {
    const batch = 'envelope' in body ? { envelopes: [body.envelope] } : { ...body, messages: [body] }
    const { messageIds, queue } = await this.takeAll(name, batch, requester)
    return { messageId: messageIds[0] ?? '', queue }
  }

  // Two colons are one that begins no parameter.
  @Post('queues/:queue/messages::batch')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Send messages, all or none: each by the checks of one alone, in one transaction',
    description: 'One that is no message fails the call. What its queue refuses is answered as what it takes.'
  })
  @ApiResponse({ status: 202, standardSchema: sentListView })
  sendAll(
    @Param('queue', { schema: queueParameter }) name: string,
    @Body({ schema: batchBody }) body: BatchBody,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<SentListView> {
    return this.takeAll(name, body, requester)
  }

  @Get('queues/:queue/messages')
  @ApiOperation({ summary: 'Look at the first messages of a queue (MQ_ACTION_PEEK_CURRENT)' })
  @ApiResponse({ status: 200, standardSchema: messageListView })
  async peek(
    @Param('queue', { schema: queueParameter }) name: string,
    @Query({ schema: peekQuery }) { most }: { readonly most: number },
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<MessageListView> {
    return this.reception.peek(await this.queues.require(name, 'peek', requester), most)
  }

  @Post('queues/:queue/receive')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take messages out of a queue (MQReceiveMessage)' })
  @ApiResponse({ status: 200, standardSchema: receivedView })
  async receive(
    @Param('queue', { schema: queueParameter }) name: string,
    @Body({ schema: receiveBody }) body: ReceiveBody,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<ReceivedView> {
    return this.reception.receive(await this.queues.require(name, 'receive', requester), body)
  }

  @Post('queues/:queue/messages/:id/settle')
  @HttpCode(204)
  @ApiOperation({ summary: 'Say what became of a message that was taken' })
  async settle(
    @Param('queue', { schema: queueParameter }) name: string,
    @Param('id', { schema: messageParameter }) id: number,
    @Body({ schema: settleBody }) body: SettleBody,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<void> {
    await this.reception.settle(await this.queues.require(name, 'receive', requester), id, body)
  }

  @Post('queues/:queue/sender-checks')
  @HttpCode(200)
  @ApiOperation({ summary: 'Whether the sender of a decrypted message is registered and may write' })
  @ApiResponse({ status: 200, standardSchema: senderView })
  async checkSender(
    @Param('queue', { schema: queueParameter }) name: string,
    @Body({ schema: senderBody }) { sid, certificate }: SenderBody,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<SenderView> {
    const { id } = await this.queues.require(name, 'receive', requester)
    return this.senders.check(id, sid, bytesOf(certificate))
  }

  @Get('queues/:queue/:kept')
  @ApiOperation({ summary: 'The journal or the dead letters of a queue' })
  @ApiResponse({ status: 200, standardSchema: messageListView })
  async listKept(
    @Param('queue', { schema: queueParameter }) name: string,
    @Param('kept', { schema: keptParameter }) kept: 'journal' | 'dead-letter',
    @Query({ schema: keptQuery }) query: KeptQuery,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<MessageListView> {
    return this.reception.listKept(await this.queues.require(name, 'journal', requester), kept, query)
  }

  @Delete('queues/:queue/:place')
  @HttpCode(204)
  @ApiOperation({ summary: 'Empty a queue, its journal or its dead letters (MQPurgeQueue)' })
  async purge(
    @Param('queue', { schema: queueParameter }) name: string,
    @Param('place', { schema: placeParameter }) place: 'messages' | 'journal' | 'dead-letter',
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<void> {
    const queue = await this.queues.owned(name, requester)
    await this.reception.purge(queue, place === 'messages' ? 'queue' : place, requester)
  }

  @Get('dead-letter')
  @ApiOperation({ summary: 'The dead letters that the caller handed in, of all queues' })
  @ApiResponse({ status: 200, standardSchema: messageListView })
  listOwn(
    @Query({ schema: keptQuery }) query: KeptQuery,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<MessageListView> {
    return this.reception.listOwn(requester, query)
  }

  @Get('journal')
  @ApiOperation({ summary: 'Copies of what the caller sent with `journal` 2, of all queues' })
  @ApiResponse({ status: 200, standardSchema: sentMessagesView })
  listSent(
    @Query({ schema: keptQuery }) query: KeptQuery,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<SentMessagesView> {
    return this.senders.listCopies(requester, query)
  }

  @Delete('journal')
  @HttpCode(204)
  @ApiOperation({ summary: "Empty the caller's journal" })
  purgeSent(@CurrentRequester() requester: AuthenticatedRequester): Promise<void> {
    return this.senders.purgeCopies(requester)
  }

  private async takeAll(name: string, body: BatchBody, requester: AuthenticatedRequester): Promise<SentListView> {
    const envelopes =
      'envelopes' in body ? body.envelopes : await this.sealing.seal(name, body, body.messages, requester)
    return this.arrivals.take(name, envelopes, requester)
  }
}
