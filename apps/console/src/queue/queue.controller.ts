import type { IncomingHttpHeaders } from 'node:http'
import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Req } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyRequest } from 'fastify'
import { certificatePreview, type CertificatePreview } from '@app/issuance'
import { tellError } from '@app/platform'
import { ChangesEntity, conditionsOf, KnowsRepetition, TellsEntityTag } from '../access/entity-tag.js'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import { RequestPreview } from '../requests/request-preview.js'
import { DecisionsService } from './decisions.service.js'
import {
  bulkBody,
  bulkView,
  decisionBody,
  denialBody,
  queueDetail,
  queueItem,
  queueQuery,
  queueView,
  requestIdParameter,
  type BulkBody,
  type BulkView,
  type DecisionBody,
  type DenialBody,
  type QueueDetail,
  type QueueItem,
  type QueueQuery,
  type QueueView
} from './queue.schemas.js'
import { QueueService } from './queue.service.js'

/** The requests that wait for an officer, and those that did. */
@ApiTags('queue')
@Controller('api/v1/queue')
export class QueueController {
  constructor(
    private readonly queue: QueueService,
    private readonly decisions: DecisionsService,
    private readonly previews: RequestPreview
  ) {}

  @Get()
  @RequirePermission('request.read')
  @ApiOperation({ summary: 'The requests that wait for a decision, or are in other states' })
  @ApiResponse({ status: 200, standardSchema: queueView })
  list(
    @Query({ schema: queueQuery }) query: QueueQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<QueueView> {
    return this.queue.list(query, operator)
  }

  @Get(':id')
  @TellsEntityTag()
  @RequirePermission('request.read')
  @ApiOperation({ summary: 'One request decoded, with its decisions, its events and earlier certificates' })
  @ApiResponse({ status: 200, standardSchema: queueDetail })
  show(
    @Param('id', { schema: requestIdParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<QueueDetail> {
    return this.queue.show(id, operator)
  }

  @Get(':id/preview')
  @RequirePermission('request.read')
  @ApiOperation({ summary: 'The certificate that would be issued, beside what is asked for, with its lint findings' })
  @ApiResponse({ status: 200, standardSchema: certificatePreview })
  preview(
    @Param('id', { schema: requestIdParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<CertificatePreview> {
    return this.previews.show(id, operator)
  }

  @Post(':id/approve')
  @HttpCode(200)
  @ChangesEntity()
  @KnowsRepetition()
  @RequirePermission('request.decide')
  @ApiOperation({ summary: 'Approve a pending request (ICertAdmin::ResubmitRequest)' })
  @ApiResponse({ status: 200, standardSchema: queueItem })
  approve(
    @Param('id', { schema: requestIdParameter }) id: number,
    @Body({ schema: decisionBody }) { reason }: DecisionBody,
    @Headers() headers: IncomingHttpHeaders,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<QueueItem> {
    return this.decisions.decide(id, { verdict: 'approve', reason, ...conditionsOf(headers) }, operator)
  }

  @Post(':id/deny')
  @HttpCode(200)
  @ChangesEntity()
  @KnowsRepetition()
  @RequirePermission('request.decide')
  @ApiOperation({ summary: 'Deny a pending request (ICertAdmin::DenyRequest)' })
  @ApiResponse({ status: 200, standardSchema: queueItem })
  deny(
    @Param('id', { schema: requestIdParameter }) id: number,
    @Body({ schema: denialBody }) { reason }: DenialBody,
    @Headers() headers: IncomingHttpHeaders,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<QueueItem> {
    return this.decisions.decide(id, { verdict: 'deny', reason, ...conditionsOf(headers) }, operator)
  }

  @Post(':id/resubmit')
  @HttpCode(200)
  @ChangesEntity()
  @KnowsRepetition()
  @RequirePermission('request.resubmit')
  @ApiOperation({ summary: 'Have a denied or failed request evaluated anew (ICertAdmin::ResubmitRequest)' })
  @ApiResponse({ status: 200, standardSchema: queueItem })
  resubmit(
    @Param('id', { schema: requestIdParameter }) id: number,
    @Body({ schema: decisionBody }) { reason }: DecisionBody,
    @Headers() headers: IncomingHttpHeaders,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<QueueItem> {
    return this.decisions.decide(id, { verdict: 'resubmit', reason, ...conditionsOf(headers) }, operator)
  }

  @Post('decisions')
  @HttpCode(200)
  @RequirePermission('request.read')
  @ApiOperation({ summary: 'Decide many requests, each by itself and by the permission that it takes' })
  @ApiResponse({ status: 200, standardSchema: bulkView })
  decideAll(
    @Body({ schema: bulkBody }) body: BulkBody,
    @CurrentOperator() operator: AuthenticatedOperator,
    @Req() request: FastifyRequest
  ): Promise<BulkView> {
    return this.decisions.decideAll(body, operator, error => {
      tellError(error, request)
    })
  }
}
