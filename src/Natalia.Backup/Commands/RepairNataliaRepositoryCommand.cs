using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Tells what a damaged repository lost, and keeps all that is whole.</summary>
/// <remarks>
/// <para>For a repository that was hit: a bad disk under a share, deleted files, half a copy, a power cut. Every
/// restore point's map is walked and every pack is looked for. The result says which points are whole and which are
/// lost, and of each lost one which disk, how many bytes and where. With -Full every byte is read and opened, which
/// also finds what changed silently.</para>
/// <para>Nothing that a whole point needs is ever deleted. Lost points are marked as damaged and kept: what is missing
/// may come back from a copy, and what is left can be exported with Export-NataliaDisk -AllowLoss. -RemoveLost gives
/// them up, but never the newest point of an appliance, a protected one or a locked one. It asks before, as a Remove-
/// command does; runbooks say -Confirm:$false. What only the points given up needed goes at once, without the days of
/// grace that other removals have.</para>
/// <para>What can be derived is made again, packs of which all that is needed is whole are copied into new objects, and
/// space that no point needs is given back. The next backup of a disk whose newest point is damaged reads everything
/// and stores again what was lost. An audit record says what was found and done.</para>
/// <para>Where another repository has copies, Copy-NataliaRestorePoint brings lost points back from there, before or
/// after they were given up.</para>
/// <para>A running backup is never disturbed: its appliance gives the error LeaseHeld, the others are repaired. The
/// command can be stopped at any moment and run again. With -WhatIf it changes nothing and returns the plan that a
/// repair carries out: the same findings, deeds and numbers.</para>
/// </remarks>
/// <example>
/// <code>Repair-NataliaRepository -Repository nas -Full -WhatIf | Select-Object -ExpandProperty Findings</code>
/// <para>Reads everything and tells what is wrong and what would be done, without changing anything.</para>
/// </example>
/// <example>
/// <code>$report = Repair-NataliaRepository -Repository nas
/// $report.Findings | Where-Object Kind -eq PointLost | Format-Table PointTimeUtc, DiskId, BytesLost, Action</code>
/// <para>Repairs, and lists the restore points that are lost.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// Repair-NataliaRepository -Repository nas -Full
/// Invoke-NataliaBackup -Appliance natalia-paris
/// Repair-NataliaRepository -Repository nas -Full -RemoveLost -Confirm:$false
/// Test-NataliaRepository -Repository nas -Full</code>
/// <para>Marks what is lost, stores again what the disk still has, gives up the points that stay damaged without being
/// asked, and checks every object.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Repair, "NataliaRepository", SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RepairReport))]
public sealed class RepairNataliaRepositoryCommand : NataliaCommand
{
    private readonly HashSet<string> _done = new(StringComparer.Ordinal);

    /// <summary>
    /// The repository: the session that Connect-NataliaRepository returned, or its name. Left out, the only connected
    /// repository is taken; when several are connected, that is the error RepositoryAmbiguous.
    /// </summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    /// <summary>
    /// The appliance: its name in the repository, its id, or a wildcard. Left out, every appliance of the repository is
    /// taken.
    /// </summary>
    [Parameter]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>Read and open every byte of every pack. Takes as long as reading the repository takes.</summary>
    [Parameter]
    public SwitchParameter Full { get; set; }

    /// <summary>
    /// Remove the restore points that are lost, after a question: what is missing cannot be put back afterwards. With
    /// -Confirm:$false nothing is asked.
    /// </summary>
    [Parameter]
    public SwitchParameter RemoveLost { get; set; }

    private protected override string MissedWithoutInput => "no repository was looked at";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        RepositoryConnection connection = Registry.Repositories.ForWriting(Repository);
        if (!_done.Add(connection.Session.RepositoryId)) return;
        IReadOnlyCollection<string>? ids = await FindAppliancesAsync(connection,
            cancellationToken).ConfigureAwait(false);
        if (ids is { Count: 0 }) return;
        string target = $"repository '{connection.Name}' ({connection.Session.Location})";
        string action =
            "Repair it: mark what is lost, make again what can be derived, give back what no restore point needs"
            + (RemoveLost ? ", and remove the restore points that are lost" : "");
        bool changes = await ShouldProcessAsync(target, action).ConfigureAwait(false);
        // Asked and answered with no is no: only -WhatIf wants to see what would be done.
        if (!changes && !await OnPipelineAsync(IsWhatIf).ConfigureAwait(false)) return;
        if (changes && RemoveLost && !await ConfirmRemovalAsync(target).ConfigureAwait(false)) return;
        RepairReport report;
        using (ProgressReporter progress = StartProgress($"Repairing {connection.Name}"))
            report = await connection.Repository.RepairAsync(new RepairOptions
            {
                Full = Full,
                RemoveLost = RemoveLost,
                WhatIf = !changes,
                ApplianceIds = ids,
            }, (name, why) => DeferError(why, name), progress, cancellationToken).ConfigureAwait(false);
        report = report with { Repository = connection.Name };
        Emit(report);
        if (report.LostPoints - report.RemovedPoints is > 0 and int lost)
            EmitWarning(string.Format(CultureInfo.InvariantCulture,
                "{0} of the repository '{1}' cannot be restored as a whole. The property Findings "
                + "tells which, and what of them is lost.",
                Plural.Count(lost, "restore point"), connection.Name));
    }

    /// <summary>
    /// A repair takes nothing away, and asks as little as a backup does; giving points up is asked for as any removal
    /// is.
    /// </summary>
    private async Task<bool> ConfirmRemovalAsync(string target)
    {
        if (await OnPipelineAsync(HasAnswered).ConfigureAwait(false)) return true;
        return await OnPipelineAsync(() => HostQuestion.Ask(
            () => ShouldContinue(DisplayText.Clean($"Remove all restore points of the {target} that cannot be "
                + "restored as a whole, and what only they need? What is left of them is gone at once, and files that "
                + "are put back later help no more. With -WhatIf the command tells which points that are."),
                "Remove lost restore points"),
            silent => new NataliaException(ErrorIds.RemovalNotConfirmed, NataliaErrorKind.InvalidOperation,
                $"Nothing was changed in the {target}: -RemoveLost removes restore points, and nobody is here to "
                + "confirm that.",
                target,
                "Look at the same command with -WhatIf; then say -Confirm:$false.", silent))).ConfigureAwait(false);
    }

    /// <summary>The ids of the appliances that are meant; null for all.</summary>
    private async Task<IReadOnlyCollection<string>?> FindAppliancesAsync(RepositoryConnection connection,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(Appliance);
        if (selectors.Count == 0) return null;
        IReadOnlyList<KnownAppliance> all =
            await connection.Repository.GetAppliancesAsync(cancellationToken).ConfigureAwait(false);
        IReadOnlyList<KnownAppliance> chosen = ApplianceSelector.ChooseAny(selectors, all, a => a.ApplianceId,
            a => a.Name ?? a.ApplianceId, missing => DeferError(missing.MissForChange(() =>
            new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The repository '{connection.Name}' holds nothing of an appliance '{missing.Text}'.", missing.Text)),
            missing.Text));
        return [.. chosen.Select(a => a.ApplianceId)];
    }
}
