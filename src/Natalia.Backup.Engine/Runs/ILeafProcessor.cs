namespace Natalia.Backup.Engine.Runs;

/// <summary>Turns work into leaves, one at a time. Each worker has its own.</summary>
internal interface ILeafProcessor : IDisposable
{
    Task<LeafResult> ProcessAsync(LeafWork work, CancellationToken cancellationToken);
}
