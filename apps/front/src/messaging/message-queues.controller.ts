import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Res, UseGuards } from '@nestjs/common'
import { ApiBearerAuth, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { RequesterGuard } from '../requester/requester.guard.js'
import { CurrentRequester, type AuthenticatedRequester } from '../requester/requester.js'
import { MessageQueueRemoval } from './message-queue-removal.js'
import { MessageQueues } from './message-queues.service.js'
import {
  queueBody,
  queueChangeBody,
  queueListView,
  queueParameter,
  queueView,
  type QueueBody,
  type QueueChangeBody,
  type QueueView
} from './messaging.schemas.js'

/** The queues of the caller, and what a sender must know of one. */
@ApiTags('messages')
@ApiBearerAuth()
@UseGuards(RequesterGuard)
@Controller('api/v1/mq/queues')
export class MessageQueuesController {
  constructor(
    private readonly queues: MessageQueues,
    private readonly removal: MessageQueueRemoval
  ) {}

  @Post()
  @ApiOperation({ summary: 'Make a queue, which the caller owns (MQCreateQueue)' })
  @ApiResponse({ status: 201, standardSchema: queueView })
  async create(
    @Body({ schema: queueBody }) body: QueueBody,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res({ passthrough: true }) reply: FastifyReply
  ): Promise<QueueView> {
    const view = await this.queues.create(body, requester)
    reply.header('location', `/api/v1/mq/queues/${view.name}`)
    return view
  }

  @Get()
  @ApiOperation({ summary: 'The queues that the caller owns' })
  @ApiResponse({ status: 200, standardSchema: queueListView })
  list(@CurrentRequester() requester: AuthenticatedRequester): Promise<{ readonly items: QueueView[] }> {
    return this.queues.list(requester)
  }

  @Get(':queue')
  @ApiOperation({ summary: 'What a queue demands, and what the caller may do with it (MQGetQueueProperties)' })
  @ApiResponse({ status: 200, standardSchema: queueView })
  get(
    @Param('queue', { schema: queueParameter }) name: string,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<QueueView> {
    return this.queues.get(name, requester)
  }

  @Patch(':queue')
  @ApiOperation({ summary: 'Change a queue for messages that come from now on (MQSetQueueProperties)' })
  @ApiResponse({ status: 200, standardSchema: queueView })
  change(
    @Param('queue', { schema: queueParameter }) name: string,
    @Body({ schema: queueChangeBody }) body: QueueChangeBody,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<QueueView> {
    return this.queues.change(name, body, requester)
  }

  @Delete(':queue')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove a queue with all that is in it (MQDeleteQueue)' })
  remove(
    @Param('queue', { schema: queueParameter }) name: string,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<void> {
    return this.removal.remove(name, requester)
  }
}
