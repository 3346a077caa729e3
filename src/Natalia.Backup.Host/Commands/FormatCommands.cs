using System.Management.Automation;
using Microsoft.PowerShell.Commands.Internal.Format;

namespace Natalia.Backup.Host.Commands;

/// <summary>Stand-in for Format-Table: the engine's own formatter with all its parameters.</summary>
[Cmdlet(VerbsCommon.Format, "Table")]
public sealed class FormatTableCommand : OuterFormatTableBase
{
    /// <summary>Makes the cmdlet.</summary>
    public FormatTableCommand() => EngineInternals.AttachFormatter(this, "Table");
}

/// <summary>Stand-in for Format-List: the engine's own formatter with all its parameters.</summary>
[Cmdlet(VerbsCommon.Format, "List")]
public sealed class FormatListCommand : OuterFormatTableAndListBase
{
    /// <summary>Makes the cmdlet.</summary>
    public FormatListCommand() => EngineInternals.AttachFormatter(this, "List");
}
