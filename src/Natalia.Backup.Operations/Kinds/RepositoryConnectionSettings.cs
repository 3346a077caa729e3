using System.Text.Json.Serialization;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>What it takes to connect to a repository again, without its secret.</summary>
internal abstract record RepositoryConnectionSettings : ConnectionSettings
{
    /// <summary>How it is opened.</summary>
    [JsonPropertyOrder(1)]
    public required RepositoryAccess Access { get; init; }

    /// <summary>The same with full paths: relative ones of a profile count from its folder.</summary>
    internal virtual RepositoryConnectionSettings From(string folder) => this;

    /// <summary>The same with names for the secrets that it needs.</summary>
    /// <param name="named">The name that the user gave; null leaves the choice.</param>
    internal virtual RepositoryConnectionSettings WithSecrets(string? named) => this;

    /// <summary>
    /// The server, where the place as a person writes it does not name it: one bucket's name is another bucket on
    /// another server. Null where it does, and for the store's usual server.
    /// </summary>
    internal virtual string? Server => null;

    /// <summary>True when both lead to the same place in the same way.</summary>
    internal virtual bool LeadsTo(RepositoryConnectionSettings other) => other.Access == Access;
}
