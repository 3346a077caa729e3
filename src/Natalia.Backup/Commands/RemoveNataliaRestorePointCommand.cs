using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Removes restore points for ever.</summary>
/// <remarks>
/// <para>The other points stay as they are: none depends on another one. The removal and its reason go into the audit
/// log. The space comes back when the repository is optimized.</para>
/// <para>Refused are points that are protected or locked, the newest point of an appliance by its time, the newest good
/// one, and the good one that was made last: something to restore from always stays.</para>
/// <para>Of a retention plan only the rows whose Action is Remove are taken. A row of a point that is kept, the result
/// of a check, a copy or a repair, and an audit record are the error InputRefused: they carry the id of a point that
/// nobody asked to remove.</para>
/// <para>Asks before it removes; in a runbook, say -Confirm:$false. For the regular clean-up use a retention policy
/// instead.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-test -Before (Get-Date).AddMonths(-6) | Remove-NataliaRestorePoint -WhatIf</code>
/// <para>Shows which points would go.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -RestorePointId 3fa9 | Remove-NataliaRestorePoint -Reason 'Made by mistake, ticket 4711' -Confirm:$false</code>
/// <para>Removes one point from a script, with the reason in the audit log.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRetentionPlan -Appliance natalia-paris -Daily 7 | Where-Object Action -eq Remove | Remove-NataliaRestorePoint -Reason 'Only a week is needed' -WhatIf</code>
/// <para>Shows what would go, once, by another policy than the stored one.</para>
/// </example>
[Cmdlet(VerbsCommon.Remove, "NataliaRestorePoint", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class RemoveNataliaRestorePointCommand : RestorePointCommand
{
    /// <summary>
    /// What is piped in: restore points, or the rows of a retention plan whose Action is Remove. Other rows, results of
    /// checks and audit records carry the ids of points, too, and are refused.
    /// </summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNull]
    public PSObject? InputObject { get; set; }

    /// <summary>Why, for the audit log.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ValidateLength(1, 1000)]
    public string Reason { get; set; } = "Removed by hand.";

    private protected override void CheckInput() => PipedReport.RequirePointToRemove(InputObject);

    private protected override IReadOnlyList<RepositoryConnection> RepositoriesToSearch() =>
        [Registry.Repositories.ForWriting(RepositoryMeant(Repository, RepositoryId))];

    private protected override async Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        RestorePoint one = point.Point;
        string target = string.Format(CultureInfo.InvariantCulture, "{0} ({1}) in repository '{2}'", one,
            one.RestorePointId, point.Repository.Name);
        IPointRepository repository = Evidence.Over(point.Repository);
        // -WhatIf tells what would happen, refusals included; the removal itself looks for them again.
        if (await OnPipelineAsync(IsWhatIf).ConfigureAwait(false)
            && await repository.FindRemovalRefusalAsync(one,
                cancellationToken).ConfigureAwait(false) is NataliaException refusal)
            throw refusal;
        if (!await ShouldProcessAsync(target, "Remove the restore point for ever").ConfigureAwait(false)) return;
        await repository.RemoveRestorePointAsync(one, Reason, cancellationToken).ConfigureAwait(false);
        Registry.Completion.Forget(one.RestorePointId);
    }
}
