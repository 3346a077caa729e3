using System.Management.Automation;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>A session's name: 1 to 64 characters, no wildcards, not to be mistaken for an id.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ValidateSessionNameAttribute : ValidateArgumentsAttribute
{
    /// <summary>Refuses what cannot be a name.</summary>
    /// <param name="arguments">The name.</param>
    /// <param name="engineIntrinsics">The engine; not used.</param>
    protected override void Validate(object arguments, EngineIntrinsics engineIntrinsics)
    {
        if (!SessionName.IsValid(arguments as string))
            throw new ValidationMetadataException($"'{arguments}' cannot be a session's name: 1 to 64 characters, "
                + "without wildcards, without spaces at its ends, and not the form of an id.");
    }
}
