namespace Natalia.Backup.Engine.Storage;

/// <summary>How one object is stored.</summary>
public sealed record PutOptions
{
    /// <summary>The usual way for metadata.</summary>
    public static PutOptions Metadata { get; } = new();

    /// <summary>The usual way for packs.</summary>
    public static PutOptions Data { get; } = new() { Class = ObjectClass.Data };

    /// <summary>
    /// Fail with <c>ObjectExists</c> when the name is taken, whatever the bytes. See
    /// <see cref="IObjectStore.HasExclusiveCreate"/>.
    /// </summary>
    public bool MustNotExist { get; init; }

    /// <summary>What the object holds.</summary>
    public ObjectClass Class { get; init; }

    /// <summary>
    /// Until when nobody may delete or replace the object, UTC; null for no lock. A store without object lock refuses
    /// it with <c>ObjectLockNotSupported</c>.
    /// </summary>
    public DateTime? RetainUntilUtc { get; init; }
}
