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
            throw NotResolved(name, $"its resolver failed: {e.Message}", e);
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
            throw NotResolved(name, "there is no command Get-Secret in this session");
        return invoke.NewScriptBlock("Get-Secret -Name $args[0] -ErrorAction Stop");
    }

    private static NataliaException NotResolved(string name, string why, Exception? inner = null) =>
        new(ErrorIds.SecretNotResolved, NataliaErrorKind.Authentication,
        $"The secret '{name}' could not be had: {why}.", name,
        "Give a -SecretResolver that returns it as SecureString or PSCredential.", inner);
}
