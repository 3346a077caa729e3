namespace Natalia.Backup.Engine.Storage;

/// <summary>A store that can tell where it lies.</summary>
public interface IPlacedStore
{
    /// <summary>Finds out where the store lies and how much room it has.</summary>
    Task<StorePlacement> GetPlacementAsync(CancellationToken cancellationToken);
}
