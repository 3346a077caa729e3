using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Points;

namespace Natalia.Backup.Commands;

/// <summary>A cmdlet that acts on restore points that are piped in or named by id.</summary>
public abstract class RestorePointCommand : NataliaCommand
{
    private RestorePointFinder? _finder;

    private protected RestorePointCommand() { }

    /// <summary>
    /// The restore point: its id, or at least four digits of its beginning when no other id begins so. Bound from
    /// restore points that are piped in, live or from a job.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [RestorePointReference]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RestorePointCompleter))]
    public virtual string[] RestorePointId { get; set; } = [];

    /// <summary>
    /// The id of the appliance, where it is known. Bound from restore points that are piped in; saves looking through
    /// the others.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string? ApplianceId { get; set; }

    /// <summary>
    /// The repository: the session that <c>Connect-NataliaRepository</c> returned, or its name. Left out, the
    /// repository of the piped restore point is taken, else the connected ones are searched. Where copies of one
    /// repository are connected at several places, a piped point is looked for through the session that it came from;
    /// where that one is gone and several are left, that is the error RepositoryAmbiguous.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    /// <summary>The id of a connected repository. Bound from restore points that are piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? RepositoryId { get; set; }

    /// <summary>
    /// Refuses what was piped in and must not be taken for a restore point, although it has the id of one.
    /// </summary>
    /// <exception cref="NataliaException"><c>InputRefused</c>.</exception>
    private protected virtual void CheckInput() { }

    /// <summary>Whether the command opens each point, and so needs no listing of others.</summary>
    private protected virtual bool OpensPoints => false;

    /// <summary>Does the command's work on one point.</summary>
    private protected abstract Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken);

    /// <summary>The repositories to look in for the current input.</summary>
    private protected virtual IReadOnlyList<RepositoryConnection> RepositoriesToSearch() =>
        Registry.RepositoriesWithPoints(RepositoryMeant(Repository, RepositoryId) is string meant ? [meant] : null,
            null);

    /// <summary>Which of several copies of a point to act on.</summary>
    private protected virtual IEnumerable<LocatedPoint> Choose(IReadOnlyList<LocatedPoint> copies) => copies;

    private protected sealed override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        CheckInput();
        _finder ??= new RestorePointFinder(Registry.Completion, EmitWarning, OpensPoints);
        foreach (string id in RestorePointId)
        {
            IReadOnlyList<LocatedPoint> found;
            try
            {
                found = await _finder.FindAsync(RepositoriesToSearch(), id,
                    string.IsNullOrEmpty(ApplianceId) ? null : ApplianceId, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                Report(e, id);
                continue;
            }
            foreach (LocatedPoint point in Choose(found))
            {
                try
                {
                    await ProcessPointAsync(point, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    Report(e, point.Point);
                }
            }
        }
    }

    /// <summary>What to do with the failure of one point; by default an error at once.</summary>
    private protected virtual void Report(Exception exception, object target) => EmitError(exception, target);

    /// <summary>
    /// Makes sure that nothing which a point needs lies in an archive class. With <paramref name="days"/> it asks for
    /// what does, and tells when to come back.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="diskIds">Which of its disks are wanted; null for all.</param>
    /// <param name="days">For how many days what is thawed is to stay readable; null asks for nothing.</param>
    /// <returns>True when everything can be read now; false when it was said when to come back.</returns>
    /// <exception cref="NataliaException"><c>RestorePointArchived</c> when <paramref name="days"/> is null.</exception>
    private protected async Task<bool> EnsureReadableAsync(LocatedPoint point, IReadOnlyCollection<string>? diskIds,
        int? days, CancellationToken cancellationToken)
    {
        // Where nothing is said to be archived, the reading itself finds out, so that the usual case costs nothing.
        if (days is null && !point.Repository.Repository.ArchivesPacks) return true;
        OpenPoint opened = await point.OpenAsync(cancellationToken).ConfigureAwait(false);
        ThawStatus? status = await opened.ThawAsync(diskIds, null, cancellationToken).ConfigureAwait(false);
        if (status is null or { IsReadable: true }) return true;
        if (days is not int period) throw Archived(point.Point, status);
        if (status.ArchivedObjects > 0)
        {
            if (!await ShouldProcessAsync(point.Point.ToString(),
                $"Ask for {Count(status.ArchivedObjects)} ({ByteSize.Format(status.ArchivedBytes)}) to be thawed for "
                + $"{period} days, which the service charges for").ConfigureAwait(false))
                return false;
            status = (await opened.ThawAsync(diskIds, period, cancellationToken).ConfigureAwait(false))!;
        }
        Emit(status);
        if (status.IsReadable) return true;
        EmitWarning($"{point.Point}: {Count(status.ThawingObjects)} of {status.Objects} "
            + $"({ByteSize.Format(status.ThawingBytes)}) are being thawed. Run the same command again after "
            + $"{status.ExpectedUtc:yyyy-MM-dd HH:mm} UTC; nothing was written now.");
        return false;
    }

    /// <summary>
    /// Reads a point, and says what to do when something that it needs turns out to be archived: a rule of the bucket
    /// may have moved it.
    /// </summary>
    private protected static async Task<T> ReadAsync<T>(LocatedPoint point, IReadOnlyCollection<string>? diskIds,
        Func<Task<T>> readAsync, CancellationToken cancellationToken)
    {
        try
        {
            return await readAsync().ConfigureAwait(false);
        }
        catch (NataliaException archived) when (archived.ErrorId == ErrorIds.ObjectArchived)
        {
            if (await (await point.OpenAsync(cancellationToken).ConfigureAwait(false)).ThawAsync(diskIds, null,
                cancellationToken).ConfigureAwait(false) is not { IsReadable: false } status)
                throw;
            throw Archived(point.Point, status);
        }
    }

    private static NataliaException Archived(RestorePoint point, ThawStatus status)
    {
        string thawing = status.ThawingObjects == 0
            ? ""
            : $" {Count(status.ThawingObjects)} ({ByteSize.Format(status.ThawingBytes)}) are being thawed, usually "
                + $"until {status.ExpectedUtc:yyyy-MM-dd HH:mm} UTC.";
        return new NataliaException(ErrorIds.RestorePointArchived, NataliaErrorKind.ResourceUnavailable,
            $"Of the {Count(status.Objects)} ({ByteSize.Format(status.Bytes)}) that the point {point} needs, "
            + $"{status.ArchivedObjects} ({ByteSize.Format(status.ArchivedBytes)}) lie in an archive class and must "
            + $"be thawed first.{thawing}",
            point.RestorePointId,
            status.ArchivedObjects > 0
                ? "Say -Thaw to ask for them; that takes hours and costs money. Then run the command again."
                : "Run the command again then.");
    }

    private static string Count(int objects) =>
        objects == 1 ? "1 object" : objects.ToString(System.Globalization.CultureInfo.InvariantCulture) + " objects";
}
