import type { IncomingHttpHeaders } from 'node:http'
import { Body, Controller, Headers, HttpCode, Param, Post } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { ChangesEntity, conditionsOf, KnowsRepetition } from '../access/entity-tag.js'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  attributesBody,
  extensionsBody,
  queueItem,
  requestIdParameter,
  type AttributesBody,
  type ExtensionsBody,
  type QueueItem
} from '../queue/queue.schemas.js'
import { attributeEdits, extensionEdits, RequestEdits } from './request-edits.service.js'

/** What officers put into pending requests. */
@ApiTags('queue')
@Controller('api/v1/queue')
export class EditsController {
  constructor(private readonly edits: RequestEdits) {}

  @Post(':id/attributes')
  @HttpCode(200)
  @ChangesEntity()
  @KnowsRepetition()
  @RequirePermission('request.edit')
  @ApiOperation({ summary: 'Put attributes into a pending request (ICertAdmin::SetRequestAttributes)' })
  @ApiResponse({ status: 200, standardSchema: queueItem })
  setAttributes(
    @Param('id', { schema: requestIdParameter }) id: number,
    @Body({ schema: attributesBody }) body: AttributesBody,
    @Headers() headers: IncomingHttpHeaders,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<QueueItem> {
    const { reason } = body
    return this.edits.edit(id, { edits: attributeEdits(body), reason, ...conditionsOf(headers) }, operator)
  }

  @Post(':id/extensions')
  @HttpCode(200)
  @ChangesEntity()
  @KnowsRepetition()
  @RequirePermission('request.edit')
  @ApiOperation({ summary: 'Put extensions into a pending request (ICertAdmin::SetCertificateExtension)' })
  @ApiResponse({ status: 200, standardSchema: queueItem })
  setExtensions(
    @Param('id', { schema: requestIdParameter }) id: number,
    @Body({ schema: extensionsBody }) body: ExtensionsBody,
    @Headers() headers: IncomingHttpHeaders,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<QueueItem> {
    const { reason } = body
    return this.edits.edit(id, { edits: extensionEdits(body), reason, ...conditionsOf(headers) }, operator)
  }
}
