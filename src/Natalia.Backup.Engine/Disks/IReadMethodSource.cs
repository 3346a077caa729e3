using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks;

/// <summary>A source that says by which way it is read, for the point to keep.</summary>
public interface IReadMethodSource
{
    /// <summary>The way. Constant.</summary>
    ReadMethod ReadMethod { get; }
}
