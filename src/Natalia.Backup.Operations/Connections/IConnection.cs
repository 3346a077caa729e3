namespace Natalia.Backup.Operations.Connections;

/// <summary>A live connection that a runspace holds under a name.</summary>
internal interface IConnection : IDisposable
{
    /// <summary>The session's name, unique among connections of its kind in the runspace.</summary>
    string Name { get; }

    /// <summary>
    /// An identity that is the same through every session to the same thing, or null when there is none.
    /// </summary>
    string? Identity { get; }

    /// <summary>
    /// Where the thing is, its server included; a copy of it at another place has the same identity.
    /// </summary>
    string Location { get; }

    /// <summary>
    /// True for a connection that can do less than others to the same thing (opened without a password); it is taken
    /// last.
    /// </summary>
    bool IsLimited { get; }
}
