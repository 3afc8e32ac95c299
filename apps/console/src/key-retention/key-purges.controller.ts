import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import { KeyPurgesService } from './key-purges.service.js'
import {
  itemsQuery,
  itemsView,
  keyPurgeView,
  numberParameter,
  proposalBody,
  proposalView,
  purgesQuery,
  purgesView,
  type ItemsQuery,
  type ItemsView,
  type KeyPurgeView,
  type ProposalBody,
  type ProposalView,
  type PurgesQuery,
  type PurgesView
} from './key-retention.schemas.js'

/** Purges of archived keys, each of which takes two administrators. */
@ApiTags('key-purges')
@Controller('api/v1/key-purges')
export class KeyPurgesController {
  constructor(private readonly purges: KeyPurgesService) {}

  @Get()
  @RequirePermission('archive.read')
  @ApiOperation({ summary: 'Purges, newest first' })
  @ApiResponse({ status: 200, standardSchema: purgesView })
  list(
    @Query({ schema: purgesQuery }) query: PurgesQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<PurgesView> {
    return this.purges.list(query, operator)
  }

  @Post()
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'Propose to purge the keys that the retention policies let go, or tell which they are' })
  @ApiResponse({ status: 201, standardSchema: proposalView })
  propose(
    @Body({ schema: proposalBody }) body: ProposalBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ProposalView> {
    return this.purges.propose(body, operator)
  }

  @Get(':id')
  @RequirePermission('archive.read')
  @ApiOperation({ summary: 'A purge' })
  @ApiResponse({ status: 200, standardSchema: keyPurgeView })
  show(
    @Param('id', { schema: numberParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<KeyPurgeView> {
    return this.purges.show(id, operator)
  }

  @Get(':id/keys')
  @RequirePermission('archive.read')
  @ApiOperation({ summary: 'The keys of a purge, and what became of each' })
  @ApiResponse({ status: 200, standardSchema: itemsView })
  keys(
    @Param('id', { schema: numberParameter }) id: number,
    @Query({ schema: itemsQuery }) query: ItemsQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ItemsView> {
    return this.purges.keys(id, query, operator)
  }

  @Post(':id/approve')
  @HttpCode(200)
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'Approve what another administrator proposed' })
  @ApiResponse({ status: 200, standardSchema: keyPurgeView })
  approve(
    @Param('id', { schema: numberParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<KeyPurgeView> {
    return this.purges.approve(id, operator)
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'Stop a purge; what was purged by then stays so' })
  @ApiResponse({ status: 200, standardSchema: keyPurgeView })
  cancel(
    @Param('id', { schema: numberParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<KeyPurgeView> {
    return this.purges.cancel(id, operator)
  }
}
