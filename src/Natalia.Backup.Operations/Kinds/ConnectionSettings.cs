using System.Text.Json.Serialization;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>
/// What it takes to connect again, without secrets. A record for each kind; its public properties are the members that
/// a profile has for it, under the same names in camel case, and those that are required must be there.
/// </summary>
internal abstract record ConnectionSettings
{
    /// <summary>The session's name.</summary>
    [JsonPropertyOrder(-2)]
    public required string Name { get; init; }

    /// <summary>The name of its kind: how <see cref="KnownKinds"/> finds it.</summary>
    [JsonPropertyOrder(-1)]
    public abstract string Kind { get; }

    /// <summary>
    /// The name of the secret with the user that connects; empty when one was given and it has no name yet, null where
    /// none is needed.
    /// </summary>
    internal virtual string? LoginSecret => null;

    /// <summary>The names of all secrets that connecting needs.</summary>
    internal virtual IEnumerable<string> Secrets => LoginSecret is null ? [] : [LoginSecret];

    /// <summary>Why these settings of a profile cannot be used, as the end of a sentence; null when they can.</summary>
    internal virtual string? Problem => null;
}
