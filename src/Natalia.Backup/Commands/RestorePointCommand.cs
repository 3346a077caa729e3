using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Points;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;

/// <summary>A cmdlet that acts on restore points that are piped in or named by id.</summary>
public abstract class RestorePointCommand : NataliaCommand
{
    private RestorePointFinder? _finder;

    private protected RestorePointCommand() { }

    /// <summary>
    /// The restore point: its id, or at least four digits of its beginning when no other id begins so. Bound from restore points that are piped in, live or from a job.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [RestorePointReference]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RestorePointCompleter))]
    public virtual string[] RestorePointId { get; set; } = [];

    /// <summary>The id of the appliance, where it is known. Bound from restore points that are piped in; saves looking through the others.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? ApplianceId { get; set; }

    /// <summary>
    /// The repository: the session that <c>Connect-NataliaRepository</c> returned, or its name. Left out, the repository of the piped restore point is taken, else the connected ones are searched.
    /// </summary>
    [Parameter]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    /// <summary>The id of a connected repository. Bound from restore points that are piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? RepositoryId { get; set; }

    /// <summary>Does the command's work on one point.</summary>
    private protected abstract Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken);

    /// <summary>The repositories to look in for the current input.</summary>
    private protected virtual IReadOnlyList<RepositoryConnection> RepositoriesToSearch() =>
        Registry.RepositoriesWithPoints(Repository is { Length: > 0 } named ? [named] : null, RepositoryId);

    /// <summary>Which of several copies of a point to act on.</summary>
    private protected virtual IEnumerable<LocatedPoint> Choose(IReadOnlyList<LocatedPoint> copies) => copies;

    private protected sealed override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        _finder ??= new RestorePointFinder(Registry.Completion, EmitWarning);
        foreach (string id in RestorePointId)
        {
            IReadOnlyList<LocatedPoint> found;
            try
            {
                found = await _finder.FindAsync(RepositoriesToSearch(), id, string.IsNullOrEmpty(ApplianceId) ? null : ApplianceId, cancellationToken).ConfigureAwait(false);
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
}
