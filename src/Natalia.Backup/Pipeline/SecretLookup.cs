using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Internal;
using System.Security;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Pipeline;

/// <summary>
/// Gets secrets by their names: from the user's script block, or from Get-Secret. To be called on the pipeline thread.
/// </summary>
/// <param name="invoke">The session's commands.</param>
/// <param name="resolver">Returns the secret whose name is in $args[0]; null calls Get-Secret.</param>
internal sealed class SecretLookup(CommandInvocationIntrinsics invoke, ScriptBlock? resolver)
{
    /// <summary>A user's name with a password.</summary>
    /// <exception cref="NataliaException"><c>SecretNotResolved</c>.</exception>
    internal PSCredential Credential(string name) => Resolve(name) switch
    {
        PSCredential { Password.Length: > 0 } credential => credential,
        PSCredential or SecureString { Length: 0 } => throw NotResolved(name, "it is empty"),
        object other =>
            throw NotResolved(name,
                $"its resolver returned a {other.GetType().Name}; a server needs a PSCredential with the user's name"),
    };

    /// <summary>A password alone.</summary>
    /// <exception cref="NataliaException"><c>SecretNotResolved</c>.</exception>
    internal SecureString Password(string name) => Resolve(name) switch
    {
        SecureString { Length: > 0 } password => password,
        PSCredential { Password.Length: > 0 } credential => credential.Password,
        SecureString or PSCredential => throw NotResolved(name, "it is empty"),
        object other =>
            throw NotResolved(name,
                $"its resolver returned a {other.GetType().Name}, not a SecureString or PSCredential"),
    };

    /// <summary>
    /// Why a run without a resolver could not have secrets in this session: a sentence; null where it has them all, or
    /// nobody can tell without taking them out. No secret is read.
    /// </summary>
    internal static string? FindObstacle(CommandInvocationIntrinsics invoke, IReadOnlyCollection<string> names)
    {
        if (names.Count == 0) return null;
        if (invoke.GetCommand("Get-Secret", CommandTypes.Cmdlet | CommandTypes.Function) is null)
            return "There is no command Get-Secret in this session. Install Microsoft.PowerShell.SecretManagement and "
                + "register a vault, or give Import-NataliaProfile a -SecretResolver.";
        if (invoke.GetCommand("Get-SecretInfo", CommandTypes.Cmdlet | CommandTypes.Function) is null) return null;
        ScriptBlock block = invoke.NewScriptBlock("Get-SecretInfo -Name $args[0] -ErrorAction Stop");
        List<string> missing = [];
        try
        {
            foreach (string name in names)
            {
                if (block.Invoke(WildcardPattern.Escape(name)).Count == 0) missing.Add($"'{name}'");
            }
        }
        catch (Exception e) when (e is RuntimeException and not PipelineStoppedException)
        {
            return $"The vault could not be asked: {Reason(e)}";
        }
        return missing.Count == 0
            ? null
            : $"No vault of this account has {string.Join(", ", missing)}. Store each with Set-Secret as the account "
                + "of the runs, or give Import-NataliaProfile a -SecretResolver.";
    }

    private object Resolve(string name)
    {
        ScriptBlock block = resolver ?? Default(name);
        object? answer;
        try
        {
            answer = block.InvokeReturnAsIs(name);
        }
        catch (Exception e) when (e is RuntimeException and not PipelineStoppedException)
        {
            throw NotResolved(name, $"its resolver failed: {Reason(e)}", e);
        }
        if (answer == AutomationNull.Value) answer = null;
        return (answer is PSObject wrapped ? wrapped.BaseObject : answer) switch
        {
            null or ICollection { Count: 0 } => throw NotResolved(name, "its resolver returned nothing"),
            // Which of them was meant, nobody knows: a wrong one could make a repository with a password that is lost.
            ICollection { Count: > 1 } many => throw NotResolved(name, $"its resolver returned {many.Count} values"),
            object one => one,
        };
    }

    private ScriptBlock Default(string name)
    {
        if (invoke.GetCommand("Get-Secret", CommandTypes.Cmdlet | CommandTypes.Function) is null)
            throw NotResolved(name, "there is no command Get-Secret in this session",
                cure: "Install Microsoft.PowerShell.SecretManagement and register a vault, or give a -SecretResolver.");
        return invoke.NewScriptBlock("Get-Secret -Name $args[0] -ErrorAction Stop");
    }

    /// <summary>What went wrong itself: an error that -ErrorAction Stop made an end of is told within it.</summary>
    private static string Reason(Exception e) =>
        e is ActionPreferenceStopException { ErrorRecord: ErrorRecord stopped } ? stopped.Exception.Message : e.Message;

    private static NataliaException NotResolved(string name, string why, Exception? inner = null,
        string cure = "Give a -SecretResolver that returns it as SecureString or PSCredential.") =>
        new(ErrorIds.SecretNotResolved, NataliaErrorKind.Authentication,
        $"The secret '{name}' could not be had: {why}.", name,
        cure, inner);
}
