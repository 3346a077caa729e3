namespace Natalia.Backup.Engine.Storage;

/// <summary>
/// A store that counts what it really asks of its server: more exact than counting calls from outside, because one call
/// may take several requests.
/// </summary>
public interface IMeteredStore
{
    /// <summary>The counters.</summary>
    StoreMeter Meter { get; }
}
