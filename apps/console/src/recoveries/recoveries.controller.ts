import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  approvalBody,
  packageView,
  recoveriesQuery,
  recoveriesView,
  recoveryBody,
  recoveryDetail,
  recoveryParameter,
  refusalBody,
  shareQuery,
  shareView,
  type ApprovalBody,
  type PackageView,
  type RecoveriesQuery,
  type RecoveriesView,
  type RecoveryBody,
  type RecoveryDetail,
  type RefusalBody,
  type ShareQuery,
  type ShareView
} from './recoveries.schemas.js'
import { RecoveryAccess } from './recovery-access.js'
import { RecoveryApprovals } from './recovery-approvals.service.js'
import { RecoveryApprovers } from './recovery-approvers.js'
import { RecoveryDelivery } from './recovery-delivery.service.js'
import { RecoveryRelease } from './recovery-release.service.js'
import { RecoveryRequests } from './recovery-requests.service.js'

/** Recoveries of archived keys: an officer asks, agents approve, whoever asked is given what was released. */
@ApiTags('recoveries')
@Controller('api/v1/recoveries')
export class RecoveriesController {
  constructor(
    private readonly access: RecoveryAccess,
    private readonly requests: RecoveryRequests,
    private readonly approvers: RecoveryApprovers,
    private readonly approvals: RecoveryApprovals,
    private readonly releases: RecoveryRelease,
    private readonly delivery: RecoveryDelivery
  ) {}

  @Get()
  @RequirePermission('recovery.read')
  @ApiOperation({ summary: 'The recoveries, the newest first' })
  @ApiResponse({ status: 200, standardSchema: recoveriesView })
  list(
    @Query({ schema: recoveriesQuery }) query: RecoveriesQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<RecoveriesView> {
    return this.access.list(query, operator)
  }

  @Get(':id')
  @RequirePermission('recovery.read')
  @ApiOperation({ summary: 'A recovery with its agents and their approvals' })
  @ApiResponse({ status: 200, standardSchema: recoveryDetail })
  show(
    @Param('id', { schema: recoveryParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<RecoveryDetail> {
    return this.access.show(id, operator)
  }

  @Post()
  @RequirePermission('recovery.request')
  @ApiOperation({ summary: 'Ask for the recovery of an archived key' })
  @ApiResponse({ status: 201, standardSchema: recoveryDetail })
  request(
    @Body({ schema: recoveryBody }) body: RecoveryBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<RecoveryDetail> {
    return this.requests.request(body, operator)
  }

  @Delete(':id')
  @RequirePermission('recovery.request')
  @ApiOperation({ summary: 'Take back what the caller asked for' })
  @ApiResponse({ status: 200, standardSchema: recoveryDetail })
  withdraw(
    @Param('id', { schema: recoveryParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<RecoveryDetail> {
    return this.requests.withdraw(id, operator)
  }

  @Get(':id/share')
  @RequirePermission('recovery.approve')
  @ApiOperation({ summary: 'The share of the caller’s agent, encrypted to it' })
  @ApiResponse({ status: 200, standardSchema: shareView })
  share(
    @Param('id', { schema: recoveryParameter }) id: number,
    @Query({ schema: shareQuery }) { agent }: ShareQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ShareView> {
    return this.approvers.share(id, agent, operator)
  }

  @Post(':id/approve')
  @HttpCode(200)
  @RequirePermission('recovery.approve')
  @ApiOperation({ summary: 'Approve a recovery, of a key that several open together with the share for its recipient' })
  @ApiResponse({ status: 200, standardSchema: recoveryDetail })
  approve(
    @Param('id', { schema: recoveryParameter }) id: number,
    @Body({ schema: approvalBody }) body: ApprovalBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<RecoveryDetail> {
    return this.approvals.approve(id, body, operator)
  }

  @Post(':id/refuse')
  @HttpCode(200)
  @RequirePermission('recovery.approve')
  @ApiOperation({ summary: 'Refuse a recovery for good' })
  @ApiResponse({ status: 200, standardSchema: recoveryDetail })
  refuse(
    @Param('id', { schema: recoveryParameter }) id: number,
    @Body({ schema: refusalBody }) { reason }: RefusalBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<RecoveryDetail> {
    return this.approvals.refuse(id, reason, operator)
  }

  @Post(':id/release')
  @HttpCode(200)
  @RequirePermission('recovery.release')
  @ApiOperation({ summary: 'Release an approved recovery to the caller, who asked for it; once' })
  @ApiResponse({ status: 200, standardSchema: recoveryDetail })
  release(
    @Param('id', { schema: recoveryParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<RecoveryDetail> {
    return this.releases.release(id, operator)
  }

  @Get(':id/package')
  @RequirePermission('recovery.release')
  @ApiOperation({ summary: 'What was released to the caller (ICertAdmin2::GetArchivedKey)' })
  @ApiResponse({ status: 200, standardSchema: packageView })
  package(
    @Param('id', { schema: recoveryParameter }) id: number,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<PackageView> {
    return this.delivery.package(id, operator)
  }
}
