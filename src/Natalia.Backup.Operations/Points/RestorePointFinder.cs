using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Points;

/// <summary>
/// Finds restore points by id or the beginning of one. A whole id needs no finding: the point is opened. Else, and for
/// a second point of an appliance, that appliance is listed, at most once in each repository for a command, so that a
/// thousand piped points cost one listing.
/// </summary>
/// <param name="completion">Remembers what was seen, for completion.</param>
/// <param name="warn">Told of points that cannot even be listed; one of them may be the one that is looked for.</param>
/// <param name="opensAll">Whether the command opens each point anyway; then a listing would come on top.</param>
internal sealed class RestorePointFinder(CompletionCache completion, Action<string> warn, bool opensAll = false)
{
    private const int ShortestPrefix = 4;
    private const int WholeId = 32;

    private readonly Dictionary<(RepositoryConnection, string?), IReadOnlyList<RestorePoint>> _lists = [];
    private readonly Dictionary<(RepositoryConnection, string), MissingPoints> _missing = [];
    private readonly HashSet<(RepositoryConnection, string)> _opened = [];

    /// <summary>The point of that id in each of the repositories that has it.</summary>
    /// <param name="repositories">Where to look.</param>
    /// <param name="id">An id, or at least four digits of its beginning.</param>
    /// <param name="applianceId">The appliance, where it is known; saves listing the others.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>RestorePointAmbiguous</c>, what listing
    /// throws.</exception>
    internal async Task<IReadOnlyList<LocatedPoint>> FindAsync(IReadOnlyList<RepositoryConnection> repositories,
        string id, string? applianceId, CancellationToken cancellationToken)
    {
        string wanted = id.Trim().ToLowerInvariant();
        if (wanted.Length < ShortestPrefix)
            throw new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.InvalidArgument,
                $"'{id}' is too short for a restore point's id: at least {ShortestPrefix} digits are needed.", id);
        List<LocatedPoint> found = [];
        foreach (RepositoryConnection repository in repositories)
        {
            if (await TryOpenAsync(repository, wanted, applianceId,
                cancellationToken).ConfigureAwait(false) is LocatedPoint opened)
            {
                found.Add(opened);
                continue;
            }
            IReadOnlyList<RestorePoint> points = await ListAsync(repository, applianceId,
                cancellationToken).ConfigureAwait(false);
            found.AddRange(points.Where(p => p.RestorePointId.StartsWith(wanted, StringComparison.Ordinal))
                .Select(p => new LocatedPoint(repository, p)));
        }
        List<string> ids = [.. found.Select(f => f.Point.RestorePointId).Distinct()];
        return ids.Count switch
        {
            1 => found,
            0 => throw new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.NotFound,
                $"There is no restore point '{id}' in {string.Join(", ", repositories.Select(r => $"'{r.Name}'"))}.",
                id, DescribeCopies(wanted) ?? DescribeMissing(repositories, applianceId)
                    ?? "Get-NataliaRestorePoint lists them."),
            _ => throw new NataliaException(ErrorIds.RestorePointAmbiguous, NataliaErrorKind.InvalidArgument,
                $"The ids of {ids.Count} restore points begin with '{id}'.", id, "Give more digits."),
        };
    }

    /// <summary>Null where a listing is cheaper, or tells more: of what is not there, or cannot be read.</summary>
    private async Task<LocatedPoint?> TryOpenAsync(RepositoryConnection repository, string id, string? applianceId,
        CancellationToken cancellationToken)
    {
        if (id.Length != WholeId || applianceId is null || !repository.IsOwn
            || _lists.ContainsKey((repository, applianceId)))
            return null;
        if (!_opened.Add((repository, applianceId)) && !opensAll) return null;
        try
        {
            OpenPoint opened = await repository.Repository.OpenPointAsync(applianceId, id,
                cancellationToken).ConfigureAwait(false);
            completion.Remember(opened.Point);
            return new LocatedPoint(repository, opened.Point, opened);
        }
        catch (NataliaException e) when (e.ErrorId is ErrorIds.RestorePointNotFound or ErrorIds.ManifestDamaged)
        {
            return null;
        }
    }

    /// <summary>Where only the copies are connected, the point that was made first is not; null without any.</summary>
    private string? DescribeCopies(string id)
    {
        List<RestorePoint> copies = [.. _lists.Values.SelectMany(l => l).Where(p =>
            p.OriginalRestorePointId?.StartsWith(id, StringComparison.Ordinal) == true)];
        if (copies.Count == 0) return null;
        string whole = copies.Count == 1 ? "A copy of it is" : "Copies of it are";
        string named = string.Join(", ", copies.Select(c => $"{c.RestorePointId} in '{c.Repository}'"));
        string original = copies[0].OriginalRepositoryId is string repository
            ? $" The point itself lies in the repository '{completion.RepositoryNameOf(repository) ?? repository}', "
                + "which is not connected."
            : "";
        return $"{whole} {named}.{original}";
    }

    /// <summary>What is missing may be what is looked for; null without any.</summary>
    private string? DescribeMissing(IReadOnlyList<RepositoryConnection> repositories, string? applianceId)
    {
        List<string> texts = [.. _missing
            .Where(m => repositories.Contains(m.Key.Item1) && (applianceId is null || m.Key.Item2 == applianceId))
            .Select(m => m.Value.Describe(m.Key.Item1))];
        return texts.Count == 0 ? null : string.Join(" ", texts);
    }

    private async Task<IReadOnlyList<RestorePoint>> ListAsync(RepositoryConnection repository, string? applianceId,
        CancellationToken cancellationToken)
    {
        if (_lists.TryGetValue((repository, applianceId), out IReadOnlyList<RestorePoint>? known)) return known;
        List<NataliaException> damaged = [];
        // One that cannot be read is found all the same, so that whoever names it is told what is wrong with it.
        IReadOnlyList<RestorePoint> points =
            await repository.Points.GetRestorePointsAsync(
                new RestorePointFilter { ApplianceId = applianceId, IncludeUnreadable = true },
            damaged.Add, missing => _missing[(repository, missing.ApplianceId)] = missing,
            cancellationToken).ConfigureAwait(false);
        HashSet<string?> listed = [.. points.Select(p => p.RestorePointId)];
        foreach (NataliaException damage in damaged.Where(d => !listed.Contains(d.Target))) warn(damage.Message);
        foreach (RestorePoint point in points) completion.Remember(point);
        _lists[(repository, applianceId)] = points;
        return points;
    }
}
