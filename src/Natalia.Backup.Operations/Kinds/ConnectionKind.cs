using System.Text.Json.Serialization.Metadata;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>One kind of hypervisor, or of repository.</summary>
/// <param name="Name">What profiles and sessions call it.</param>
/// <param name="Form">Its settings, as a profile holds them.</param>
internal sealed record ConnectionKind(string Name, JsonTypeInfo Form);
