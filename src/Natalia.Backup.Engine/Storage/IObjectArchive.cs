namespace Natalia.Backup.Engine.Storage;

/// <summary>
/// A store whose objects may lie in an archive class, from where they are read only after they were thawed.
/// </summary>
public interface IObjectArchive
{
    /// <summary>Whether packs that are put now lie in an archive class.</summary>
    bool HoldsNewPacks { get; }

    /// <summary>How long a thaw usually takes at most; what the maker of the service says, no promise.</summary>
    TimeSpan UsualThawTime { get; }

    /// <summary>Whether an object can be read now.</summary>
    /// <param name="name">The object's name.</param>
    /// <exception cref="NataliaException"><c>ObjectNotFound</c>, a store error.</exception>
    Task<ThawState> GetThawStateAsync(string name, CancellationToken cancellationToken);

    /// <summary>
    /// Asks for an object to be made readable for some days. Takes minutes to days; asking again while it is under way
    /// is no error.
    /// </summary>
    /// <param name="name">The object's name.</param>
    /// <param name="days">For how many days a readable copy is kept, 1 or more.</param>
    /// <exception cref="NataliaException"><c>ObjectNotFound</c>, a store error.</exception>
    Task RequestThawAsync(string name, int days, CancellationToken cancellationToken);
}
