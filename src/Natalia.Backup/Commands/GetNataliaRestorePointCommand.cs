using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Points;

namespace Natalia.Backup.Commands;

/// <summary>Lists restore points, newest first.</summary>
/// <remarks>
/// <para>A restore point is one complete, independent, restorable state of an appliance. It does not depend on any
/// other point, however it was made.</para>
/// <para>Without -Repository the points of all connected repositories are listed together. With several connected, one
/// that does not answer is an error of its own, written when the others are listed.</para>
/// <para>A point whose manifest is damaged is an error of its own, written after the others are listed. It is listed as
/// DAMAGED with what the audit log tells of it, and its property IsReadable is False: it cannot be restored, and no
/// retention rule counts it. -Latest passes over it: it lists the newest point of each appliance in each repository
/// that can be restored. Of points whose manifests are missing, although the log knows them, a warning for each
/// appliance says how many there are: Repair-NataliaRepository -WhatIf tells which, and what can be done.</para>
/// <para>What a Proxmox Backup Server is still writing, and what a backup left there broken off, is listed as
/// UNFINISHED, and its property IsFinished is False: it cannot be restored, is never the latest, and does not count for
/// retention.</para>
/// <para>A plain -Appliance name of which no repository has a point is an error, not an empty list. So is an empty
/// -Appliance, -ApplianceId, -RestorePointId, -Repository, -After or -Before, and never a list of all points.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-paris -After (Get-Date).AddDays(-7)</code>
/// <para>Lists the last week's points of one appliance.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -Latest | Where-Object { $_.TimeUtc -lt [DateTime]::UtcNow.AddHours(-26) }</code>
/// <para>Finds appliances whose newest point is too old, in each repository by itself: a copy that has stopped a week
/// ago is seen beside a backup of last night. For monitoring.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -Repository nas -Appliance natalia-paris -Before 2026-11-01 -Latest | Export-NataliaDisk -Destination D:\restore</code>
/// <para>Takes the disk as it was at the end of October.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaRestorePoint")]
[OutputType(typeof(RestorePoint))]
public sealed class GetNataliaRestorePointCommand : RepositoryReaderCommand
{
    private readonly List<LocatedPoint> _found = [];
    private readonly HashSet<(string, string)> _seen = [];
    private readonly HashSet<(string, string)> _toldMissing = [];
    private readonly List<(RepositoryConnection Repository, MissingPoints Missing)> _missing = [];
    private RestorePointFinder? _finder;

    /// <summary>
    /// The appliance: an object of Get-NataliaAppliance, the name that it had when the point was made, or a wildcard.
    /// </summary>
    [Parameter(Position = 0)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>The appliance's id. Bound from appliances that are piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string? ApplianceId { get; set; }

    /// <summary>
    /// The point's id, or at least four digits of its beginning when no other id begins so. Bound from points that are
    /// piped in, which reads them again.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [RestorePointReference]
    [ArgumentCompleter(typeof(RestorePointCompleter))]
    public string[]? RestorePointId { get; set; }

    /// <summary>
    /// Only the newest point of each appliance in each repository, of those whose manifests can be read, that are
    /// finished, whose time is certain, and whose files nobody has renamed.
    /// </summary>
    [Parameter]
    public SwitchParameter Latest { get; set; }

    /// <summary>Only points whose state is of this time or later. A time without a zone is local time.</summary>
    [Parameter]
    [ValidateNotNull]
    public DateTime? After { get; set; }

    /// <summary>Only points whose state is of this time or earlier. A time without a zone is local time.</summary>
    [Parameter]
    [ValidateNotNull]
    public DateTime? Before { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<RepositoryConnection> repositories = RepositoriesToRead();
        string? applianceId = string.IsNullOrEmpty(ApplianceId) ? null : ApplianceId;
        if (References.Clean(RestorePointId) is { Count: > 0 } ids)
        {
            _finder ??= new RestorePointFinder(Registry.Completion, EmitWarning);
            foreach (string id in ids)
            {
                try
                {
                    Take(await _finder.FindAsync(repositories, id, applianceId,
                        cancellationToken).ConfigureAwait(false));
                }
                catch (NataliaException e)
                    when (e.ErrorId is ErrorIds.RestorePointNotFound or ErrorIds.RestorePointAmbiguous)
                {
                    EmitError(e);
                }
            }
            return;
        }
        // What lists everything may be piped into a removal: an empty name or id must not.
        if (IsBound(nameof(RestorePointId))) throw References.NoPointNamed();
        if ((IsBound(nameof(Appliance)) || IsBound(nameof(ApplianceId)))
            && References.Named(Appliance, applianceId).Count == 0)
            throw References.NoApplianceNamed();
        await ListAsync(repositories, applianceId, cancellationToken).ConfigureAwait(false);
    }

    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        IEnumerable<RestorePoint> points = _found.Select(f => f.Point).OrderByDescending(p => p);
        if (Latest)
        {
            foreach (IGrouping<(string, string), RestorePoint> ahead in points.Where(p => p.IsInFuture)
                .GroupBy(p => (p.RepositoryId, p.ApplianceId)))
                EmitWarning($"{ahead.First().ApplianceName}: "
                    + $"{(ahead.Count() == 1 ? "a point" : $"{ahead.Count()} points")} in "
                    + $"'{ahead.First().Repository}' of {ahead.First().TimeUtc:yyyy-MM-dd HH:mm} UTC "
                    + $"{(ahead.Count() == 1 ? "is" : "and around are")} in the future, made while a clock was wrong, "
                    + "and never the latest.");
        }
        // Nobody may take what cannot be restored, or what was made who knows when, for a recent backup.
        if (Latest)
            points = points.Where(p => p.IsReadable && p.IsFinished && !p.IsInFuture && !p.IsRenamed)
                .GroupBy(p => (p.RepositoryId, p.ApplianceId)).Select(g => g.First());
        List<RestorePoint> listed = [.. points];
        foreach (RestorePoint point in listed) Emit(point);
        if (Latest) TellLost(listed);
        return Task.CompletedTask;
    }

    /// <summary>
    /// A point that cannot be read is an error; what lies there and is no point is not, nor is what is out of reach
    /// while a host is down.
    /// </summary>
    private void Tell(NataliaException damage)
    {
        if (damage.ErrorId is ErrorIds.ManifestUnknown or ErrorIds.StoreUnavailable)
            EmitWarning($"{damage.Message} {damage.RecommendedAction}");
        else DeferError(damage);
    }

    private async Task ListAsync(IReadOnlyList<RepositoryConnection> repositories, string? applianceId,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(Appliance);
        // Asked without times, so that a name without any point can be told from one without points in that time.
        var filter = new RestorePointFilter { ApplianceId = applianceId, IncludeUnreadable = true };
        List<LocatedPoint> listed = [];
        foreach (RepositoryConnection repository in repositories)
        {
            try
            {
                IReadOnlyList<RestorePoint> points = await repository.Points.GetRestorePointsAsync(filter, Tell,
                    missing => Tell(repository, missing, selectors), cancellationToken).ConfigureAwait(false);
                listed.AddRange(points.Select(p => new LocatedPoint(repository, p)));
            }
            catch (Exception e) when (repositories.Count > 1 && !cancellationToken.IsCancellationRequested)
            {
                DeferError(e, repository.Session);
            }
        }
        foreach (LocatedPoint found in listed)
        {
            Registry.Completion.Remember(found.Point);
            Registry.Completion.RememberAppliance(found.Point.ApplianceName,
                $"has restore points in '{found.Repository.Name}'");
        }
        if (selectors.Count == 0)
        {
            Take(listed);
            return;
        }
        foreach (ApplianceSelector selector in selectors)
        {
            IReadOnlyList<LocatedPoint> own = selector.Choose(listed, f => f.Point.ApplianceId,
                f => f.Point.ApplianceName);
            if (own.Count == 0 && !selector.IsId
                && selector.Miss(() => new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.NotFound,
                    $"There is no restore point of an appliance '{selector.Text}' in "
                    + $"{string.Join(", ", repositories.Select(r => $"'{r.Name}'"))}.",
                    selector.Text)) is NataliaException miss)
                EmitError(miss);
            Take(own);
        }
    }

    /// <summary>Once for each appliance that was asked for, however many inputs name it.</summary>
    private void Tell(RepositoryConnection repository, MissingPoints missing,
        IReadOnlyList<ApplianceSelector> selectors)
    {
        if (selectors.Count > 0
            && !selectors.Any(s => s.MayMean(missing.ApplianceId, missing.ApplianceName ?? missing.ApplianceId)))
            return;
        if (!_toldMissing.Add((repository.Session.RepositoryId, missing.ApplianceId))) return;
        if (Latest) _missing.Add((repository, missing));
        else EmitWarning(missing.Describe(repository));
    }

    /// <summary>
    /// A point that was made later than the latest there is: whoever proves the latest must not take the one before for
    /// it.
    /// </summary>
    private void TellLost(IReadOnlyList<RestorePoint> latest)
    {
        foreach ((RepositoryConnection repository, MissingPoints missing) in _missing)
        {
            RestorePoint? there =
                latest.FirstOrDefault(
                    p => p.RepositoryId == repository.Session.RepositoryId && p.ApplianceId == missing.ApplianceId);
            if (there is not null && there.TimeUtc >= missing.NewestMadeUtc)
            {
                EmitWarning(missing.Describe(repository));
                continue;
            }
            DeferError(new NataliaException(ErrorIds.RestorePointMissing, NataliaErrorKind.InvalidData,
                $"{missing.Describe(repository)} The last of them was made at "
                + $"{missing.NewestMadeUtc:yyyy-MM-dd HH:mm} UTC, so that the latest point there is may not be the "
                + "latest.",
                missing.ApplianceName ?? missing.ApplianceId,
                "Back the appliance up now, and let Repair-NataliaRepository -WhatIf tell what was lost."));
        }
    }

    private void Take(IEnumerable<LocatedPoint> points)
    {
        DateTime? after = After?.ToUniversalTime(), before = Before?.ToUniversalTime();
        _found.AddRange(points.Where(f =>
            (after is null || f.Point.TimeUtc >= after) && (before is null || f.Point.TimeUtc <= before)
            && _seen.Add((f.Point.RepositoryId, f.Point.RestorePointId))));
    }
}
