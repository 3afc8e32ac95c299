import { Controller, Get, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { RequirePermission } from '../access/require-permission.js'
import { deliveriesQuery, deliveriesView, type DeliveriesQuery, type DeliveriesView } from './webhooks.schemas.js'
import { WebhooksService } from './webhooks.service.js'

/** Notices to other servers. They are those of the whole installation, and so is the right to see them. */
@ApiTags('webhooks')
@Controller('api/v1/webhooks')
export class WebhooksController {
  constructor(private readonly webhooks: WebhooksService) {}

  @Get('deliveries')
  @RequirePermission('health.read', { at: 'all' })
  @ApiOperation({ summary: 'Notices to other servers, newest first, and what became of them' })
  @ApiResponse({ status: 200, standardSchema: deliveriesView })
  list(@Query({ schema: deliveriesQuery }) query: DeliveriesQuery): Promise<DeliveriesView> {
    return this.webhooks.list(query)
  }
}
