import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  holdBody,
  holdsQuery,
  holdsView,
  numberParameter,
  policiesView,
  policyBody,
  policyQuery,
  type HoldBody,
  type HoldsQuery,
  type HoldsView,
  type PoliciesView,
  type PolicyBody,
  type PolicyQuery
} from './key-retention.schemas.js'
import { RetentionService } from './retention.service.js'

/** How long archived keys are kept, and which are held for longer. */
@ApiTags('key-retention')
@Controller('api/v1')
export class RetentionController {
  constructor(private readonly retention: RetentionService) {}

  @Get('retention-policies')
  @RequirePermission('archive.read')
  @ApiOperation({ summary: 'How long archived keys are kept' })
  @ApiResponse({ status: 200, standardSchema: policiesView })
  listPolicies(@CurrentOperator() operator: AuthenticatedOperator): Promise<PoliciesView> {
    return this.retention.listPolicies(operator)
  }

  @Put('retention-policies')
  @HttpCode(204)
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'Set how long archived keys are kept; without a policy they are kept for good' })
  setPolicy(
    @Body({ schema: policyBody }) body: PolicyBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.retention.setPolicy(body, operator)
  }

  @Delete('retention-policies')
  @HttpCode(204)
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'Keep keys for good again' })
  removePolicy(
    @Query({ schema: policyQuery }) query: PolicyQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.retention.removePolicy(query, operator)
  }

  @Get('key-holds')
  @RequirePermission('archive.read')
  @ApiOperation({ summary: 'Keys that must not be purged' })
  @ApiResponse({ status: 200, standardSchema: holdsView })
  listHolds(
    @Query({ schema: holdsQuery }) query: HoldsQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<HoldsView> {
    return this.retention.listHolds(query, operator)
  }

  @Post('key-holds')
  @HttpCode(204)
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'Hold the key of a request' })
  placeHold(
    @Body({ schema: holdBody }) body: HoldBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.retention.placeHold(body, operator)
  }

  @Delete('key-holds/:requestId')
  @HttpCode(204)
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'Hold the key of a request no longer' })
  liftHold(
    @Param('requestId', { schema: numberParameter }) requestId: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.retention.liftHold(requestId, operator)
  }
}
