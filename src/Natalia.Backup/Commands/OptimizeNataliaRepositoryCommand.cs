using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Gives back the space that removed restore points took.</summary>
/// <remarks>
/// <para>Deletes packs that no restore point needs any more, and rewrites those of which little is needed. It costs
/// what went, not what stays, and is safe beside running backups, beside itself, and when it is stopped at any
/// moment.</para>
/// <para>A restore point that was removed stays readable for the hours of -GraceHours, because a restore on another
/// machine may be reading it. A later run takes what had to wait. What Object Lock holds stays until its date.</para>
/// <para>Where it cannot be found out what is free, nothing is given back, a warning says why and what to do, and the
/// result has it as Reason: the manifest of a point is missing, or two runs made points beside each other because one
/// had lost its lease.</para>
/// <para>One result comes for each appliance; with -WhatIf it says what would be given back, and nothing is changed.
/// What fails for one appliance is an error of its own, written when the others are done.</para>
/// </remarks>
/// <example>
/// <code>Invoke-NataliaRetention
/// Optimize-NataliaRepository</code>
/// <para>The scheduled clean-up: removes what the retention policy no longer keeps, and gives back the space of what
/// was removed three days ago or earlier.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRepository | Optimize-NataliaRepository | Where-Object DeadBytes -gt 10GB</code>
/// <para>Optimizes every connected repository, and shows where packs hold much that nobody needs but are too full to be
/// worth rewriting.</para>
/// </example>
/// <example>
/// <code>Optimize-NataliaRepository -Repository nas -Appliance natalia-test* -GraceHours 0 -Force</code>
/// <para>Gives back everything at once, when it is certain that nobody restores from the repository.</para>
/// </example>
[Cmdlet(VerbsCommon.Optimize, "NataliaRepository", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(ReclaimResult))]
public sealed class OptimizeNataliaRepositoryCommand : NataliaCommand
{
    private readonly HashSet<(string, string)> _done = [];

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

    /// <summary>
    /// How many hours ago a restore point must have been removed: from 0 to 87600. 0 is refused without -Force, because
    /// a restore that is reading such a point would fail.
    /// </summary>
    [Parameter]
    [ValidateRange(0, 87600)]
    public int GraceHours { get; set; } = 72;

    /// <summary>Allow -GraceHours 0: nobody reads restore points that were removed.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override Task BeginAsync(CancellationToken cancellationToken) =>
        GraceHours > 0 || Force ? Task.CompletedTask
        : throw new NataliaException(ErrorIds.GraceTooShort, NataliaErrorKind.InvalidArgument,
            "With -GraceHours 0, a restore that is reading a removed restore point would fail.", null,
            "When nobody restores from this repository now, say -Force; else leave -GraceHours out.");

    private protected override string MissedWithoutInput => "no repository was optimized";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        RepositoryConnection connection = Registry.Repositories.ForWriting(Repository);
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(Appliance);
        IReadOnlyList<KnownAppliance> all =
            await connection.Repository.GetAppliancesAsync(cancellationToken).ConfigureAwait(false);
        IReadOnlyList<KnownAppliance> chosen = ApplianceSelector.ChooseAny(selectors, all, a => a.ApplianceId,
            a => a.Name ?? a.ApplianceId, missing => DeferError(missing.MissForChange(() =>
            new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The repository '{connection.Name}' holds nothing of an appliance '{missing.Text}'.", missing.Text)),
            missing.Text));
        foreach (KnownAppliance appliance in chosen.OrderBy(a => a.Name ?? a.ApplianceId,
            StringComparer.OrdinalIgnoreCase))
        {
            if (!_done.Add((connection.Session.RepositoryId, appliance.ApplianceId))) continue;
            try
            {
                await OptimizeAsync(connection, appliance, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                DeferError(e, appliance.Name ?? appliance.ApplianceId);
            }
        }
    }

    private async Task OptimizeAsync(RepositoryConnection connection, KnownAppliance appliance,
        CancellationToken cancellationToken)
    {
        string target = $"{appliance.Name ?? appliance.ApplianceId} in repository '{connection.Name}'";
        string action = string.Format(CultureInfo.InvariantCulture,
            "Give back the space of restore points that were removed {0} hours ago or earlier", GraceHours);
        bool changes = await ShouldProcessAsync(target, action).ConfigureAwait(false);
        // Asked and answered with no is no: only -WhatIf wants to see what would be done.
        if (!changes && !await OnPipelineAsync(IsWhatIf).ConfigureAwait(false)) return;
        TimeSpan grace = TimeSpan.FromHours(GraceHours);
        using ProgressReporter progress = StartProgress($"Optimizing {target}");
        ReclaimResult result = changes
            ? await connection.Repository.ReclaimAsync(appliance.ApplianceId, grace, progress,
                cancellationToken).ConfigureAwait(false)
            : await connection.Repository.PlanReclaimAsync(appliance.ApplianceId, grace, progress,
                cancellationToken).ConfigureAwait(false);
        Emit(result with { ApplianceName = appliance.Name, Repository = connection.Name });
        if (result.Reason is not null) EmitWarning($"{appliance.Name ?? appliance.ApplianceId}: {result.Reason}");
        if (!changes) return;
        progress.Report(new OperationProgress("Extending locks", 0, null));
        if (await connection.Repository.RenewLocksAsync(appliance.ApplianceId, look: true,
            cancellationToken).ConfigureAwait(false) is not LockRenewal renewal)
            return;
        if (LockRenewals.Describe(appliance.Name ?? appliance.ApplianceId, connection, renewal) is string text)
            EmitVerbose(text);
        foreach (string failure in renewal.Failures) EmitWarning(failure);
    }
}
