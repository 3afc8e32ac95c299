import { Controller, Get, Post, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  drillOrderView,
  drillsQuery,
  drillsView,
  type DrillOrderView,
  type DrillsQuery,
  type DrillsView
} from './key-drills.schemas.js'
import { KeyDrillsService } from './key-drills.service.js'

/** Recovery drills. They are of the whole installation, and so are the rights. */
@ApiTags('key-drills')
@Controller('api/v1/key-drills')
export class KeyDrillsController {
  constructor(private readonly drills: KeyDrillsService) {}

  @Get()
  @RequirePermission('archive.read', { at: 'all' })
  @ApiOperation({ summary: 'Recovery drills, newest first, and whether one is overdue' })
  @ApiResponse({ status: 200, standardSchema: drillsView })
  list(@Query({ schema: drillsQuery }) query: DrillsQuery): Promise<DrillsView> {
    return this.drills.list(query)
  }

  @Post()
  @RequirePermission('archive.write', { at: 'all' })
  @ApiOperation({ summary: 'Have a recovery drill run now' })
  @ApiResponse({ status: 201, standardSchema: drillOrderView })
  order(@CurrentOperator() operator: AuthenticatedOperator): Promise<DrillOrderView> {
    return this.drills.order(operator)
  }
}
