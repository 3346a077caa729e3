using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>A store that was opened, with what was found out on the way.</summary>
/// <param name="Store">The store; what fails for a moment is tried again.</param>
/// <param name="Settings">The settings, which say more where something was found by trying.</param>
internal sealed record OpenedStore(IObjectStore Store, StoreSettings Settings)
{
    /// <summary>
    /// For how many days the store itself locks every object; null when it does not, or may not be asked.
    /// </summary>
    internal int? RetentionDays { get; init; }

    /// <summary>
    /// Makes of it the store that a repository in it writes to. How strong locks are, and which class packs lie in, is
    /// the repository's own to say; the store must know before it writes. Null where these mean nothing.
    /// </summary>
    internal Func<ObjectLockMode?, string?, IObjectStore>? Settle { get; init; }
}
