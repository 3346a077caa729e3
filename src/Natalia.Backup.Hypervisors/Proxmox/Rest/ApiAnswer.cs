using System.Text.Json;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>What an operation answered. The elements stay valid: they are clones.</summary>
/// <param name="Data">The payload; of kind Null when the operation answers with nothing.</param>
/// <param name="Total">How many entries there are beyond this page, where the operation pages.</param>
internal sealed record ApiAnswer(JsonElement Data, long? Total)
{
    /// <summary>The payload as text, or null.</summary>
    internal string? Text => Data.AsText();
}
